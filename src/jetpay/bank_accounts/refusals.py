"""Why something cannot be done with a bank account."""

from jetpay.base.refusals import Conflict, Refusal


class RailRequired(Refusal):
    """A live company says itself how its bank takes files."""

    code = "rail_required"
    status = 422
    title = "A rail is required"
    sentence = "A live company's bank account needs the rail by which its bank takes payments."


class SandboxRail(Refusal):
    """Nothing leaves by it."""

    code = "sandbox_rail"
    status = 422
    title = "No sandbox in a live company"
    sentence = "A live company cannot pay by the sandbox rail: no money would move."


class CurrencyUnreached(Refusal):
    """Its files are of other currencies."""

    code = "currency_unreached"
    status = 422
    title = "No such currency by this rail"
    sentence = "The rail {rail} makes no payments in {currency}."


class UsedByCredits(Conflict):
    """A credit by this account has not ended."""

    code = "used_by_credits"
    title = "The account is in use"
    sentence = "This bank account is used by {count} open credits and cannot be removed now."
