"""Why something cannot be done with a credit."""

from jetpay.base.refusals import Conflict, FieldError, Invalid, Refusal


class MoveRefused(Conflict):
    """The table of moves has no such row."""

    code = "move_refused"
    title = "Not possible in this state"
    sentence = "This credit is {state}; it can no longer become {to}."


class InBankFile(Conflict):
    """Cancelling came after the claim."""

    code = "in_bank_file"
    title = "Already in a bank file"
    sentence = "This credit is already in bank file {bank_file} and can no longer be cancelled."


class TooLate(Conflict):
    """The credit has ended."""

    code = "too_late"
    title = "Too late"
    sentence = "This credit is {state} and can no longer be cancelled."


class Final(Conflict):
    """No link of an ended credit can be changed."""

    code = "final"
    title = "This credit has ended"
    sentence = "This credit is {state}; its link can no longer be changed."


class NotHeld(Conflict):
    """There is nothing to release."""

    code = "not_held"
    title = "The credit is not held"
    sentence = "Credit {identifier} is {state} and not held; there is nothing to release."


class FundsNotBack(Conflict):
    """Money goes out again only after it came back."""

    code = "funds_not_back"
    title = "The returned money is not back"
    sentence = (
        "Credit {identifier} waits for its returned money, which no statement has shown yet;"
        " it can be cancelled."
    )


class ExternalIdTaken(Conflict):
    """`external_id` is unique in a company."""

    code = "external_id_taken"
    title = "The external id is taken"
    sentence = "The external_id belongs to {identifier} already."


class IdempotencyKeyRequired(Refusal):
    """Clients retry by themselves, so a batch must say which lines are the same."""

    code = "idempotency_key_required"
    status = 422
    title = "An Idempotency-Key is required"
    sentence = "Give every line an idempotency_key, or send one in the Idempotency-Key header."


class AmountTooLarge(Refusal):
    """Above the bank account's own limit for one credit."""

    code = "amount_too_large"
    status = 422
    title = "The amount is too large"
    sentence = "The amount is above the limit for one credit from this bank account."


class TokenLimit(Refusal):
    """The token's own limits."""

    code = "token_limit"
    status = 403
    title = "Above what this token may pay"
    sentence = "This token's {limit} does not allow this credit."


class BankAccountReturned(Refusal):
    """The bank returned a payment to it; a person has to look first."""

    code = "bank_account_returned"
    status = 422
    title = "The account was returned"
    sentence = (
        "The bank returned an earlier payment to this account; a member has to clear it first."
    )


class CurrencyMismatch(Refusal):
    """There is no currency conversion."""

    code = "currency_mismatch"
    status = 422
    title = "The currencies differ"
    sentence = "The payee's account cannot take the currency of from_bank_account."


class SameDetails(Refusal):
    """A repair needs other details than those that could not be paid."""

    code = "same_details"
    status = 422
    title = "The same details again"
    sentence = "These details could not be paid before; please enter others."


class UnlocksUsedUp(Conflict):
    """Unlocking in a loop would be unlimited guessing."""

    code = "unlocks_used_up"
    title = "Unlocked too often"
    sentence = "This link cannot be unlocked any more; issue a new link instead."


class TooManyAnswers(Refusal):
    """Hashing answers is dear on purpose, so one call may bring only so many."""

    code = "too_many_answers"
    status = 422
    title = "Too many different answers"
    sentence = "One call may bring at most {maximum} different questions and answers."


def not_found(field: str) -> Invalid:
    """A foreign and an unknown identifier in a body look alike."""
    return Invalid([FieldError(field, "not_found", "There is no such thing in your company.")])
