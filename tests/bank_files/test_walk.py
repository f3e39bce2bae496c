"""A file's whole way, from acceptance to the money being there."""

from jetpay.bank_files.model import FileState
from jetpay.bank_files.seal import open_bytes
from jetpay.credits.model import State
from jetpay.rails.sandbox import read
from tests.stage import Stage


async def test_an_accepted_credit_is_filed_acknowledged_debited_and_settled(stage: Stage) -> None:
    credit = await stage.accepted(amount=12_345)
    await stage.tick()
    assert await stage.state(credit) is State.PROCESSING
    [file] = await stage.files()
    assert (file.state, file.number, file.credit_count, file.total) == (
        FileState.ACKNOWLEDGED,
        1,
        1,
        12_345,
    )
    assert file.debited_at is not None
    await stage.advance(2)
    assert await stage.state(credit) is State.PROCESSING
    await stage.advance(1)
    assert await stage.state(credit) is State.COMPLETED
    assert (await stage.events())[1:] == [
        "bank_accounts.created > ",
        "transactions.credits.created >requested created",
        "transactions.credits.updated requested>initiated accepted",
        "bank_files.created >assembling ",
        "transactions.credits.updated initiated>processing claimed",
        "bank_files.sent handing_over>sent ",
        "bank_files.acknowledged sent>acknowledged ",
        "transactions.credits.updated processing>completed settled",
    ]


async def test_the_bank_reads_what_was_accepted_and_the_journal_has_it_too(stage: Stage) -> None:
    first, second = await stage.accepted(amount=100), await stage.accepted("2000002", amount=250)
    await stage.tick()
    [file] = await stage.files()
    text = await open_bytes(
        stage.services.db, stage.services.vault, stage.company_id, file.bank_file_id
    )
    seen = read(text)
    references = [(await stage.view(each)).reference for each in (first, second)]
    assert [entry.reference for entry in seen.entries] == references
    assert [entry.amount for entry in seen.entries] == [100, 250]
    assert [entry.account for entry in seen.entries] == ["1000001", "2000002"]
    assert {entry.routing for entry in seen.entries} == {"000300002"}
    [written] = stage.journal()
    assert written["bank_file"] == str(file.bank_file_id)
    assert written["sha256"] == (file.sha256 or b"").hex()
    assert written["references"] == references
    assert (written["credit_count"], written["total"]) == (2, 350)
