"""Why something cannot be done with a contact."""

from jetpay.base.refusals import Conflict


class ContactExternalIdTaken(Conflict):
    """`external_id` is unique in a company."""

    code = "external_id_taken"
    title = "The external id is taken"
    sentence = "The external_id belongs to contact {identifier} already."


class HasOpenCredits(Conflict):
    """Money may still be on its way to this person."""

    code = "has_open_credits"
    title = "The contact has open credits"
    sentence = "This contact still has {count} open credits; cancel them or wait for their end."
