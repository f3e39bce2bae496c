"""Why something cannot be done with a bank file."""

from jetpay.base.refusals import Conflict


class HandOverBegan(Conflict):
    """The bank may have it."""

    code = "hand_over_began"
    title = "The file may be at the bank"
    sentence = "Bank file {identifier} is {state}; it can no longer be withdrawn."


class NotTheNewest(Conflict):
    """A bank that wants numbers without a gap."""

    code = "not_the_newest"
    title = "A newer file has the next number"
    sentence = "This bank wants file numbers without a gap; only the newest can be withdrawn."


class NotWithYou(Conflict):
    """Nobody has to say where this file is."""

    code = "not_with_you"
    title = "The file is not in your hands"
    sentence = "Bank file {identifier} is {state}; only a file that waits for your word is marked."


class NotAtTheBank(Conflict):
    """The simulated bank cannot return what it does not have."""

    code = "not_at_the_bank"
    title = "The payment is not with the bank"
    sentence = "This credit is {state}; only one that is with the bank can be returned."
