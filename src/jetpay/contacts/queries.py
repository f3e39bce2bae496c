"""Reading contacts."""

from jetpay.base.ids import CompanyId, ContactId
from jetpay.base.refusals import NotFound
from jetpay.contacts.model import Contact
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction

CONTACT = Query(
    Contact,
    """
    select contact_id, email, name, tags, language, metadata, external_id, question_id,
           created_at, updated_at, erased_at
    from contact
    where company_id = %(company_id)s and contact_id = %(contact_id)s and erased_at is null
    """,
)
PAGE = Query(
    Contact,
    """
    select contact_id, email, name, tags, language, metadata, external_id, question_id,
           created_at, updated_at, erased_at
    from contact
    where company_id = %(company_id)s and erased_at is null
      and (%(after)s::uuid is null or contact_id > %(after)s)
      and (%(external_id)s::text is null or external_id = %(external_id)s)
      and (%(email)s::text is null or lower(email) = lower(%(email)s))
    order by contact_id limit %(limit)s
    """,
)


async def get_contact(
    tx: OpensTransactions | Transaction, company_id: CompanyId, contact_id: ContactId
) -> Contact:
    """Refuses `NotFound`, also for an erased one."""
    contact = await CONTACT.first(tx, company_id=company_id, contact_id=contact_id)
    if contact is None:
        raise NotFound
    return contact
