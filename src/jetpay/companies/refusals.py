"""Why something cannot be done with a company, its tokens or its members."""

from jetpay.base.refusals import Conflict


class NotInProduction(Conflict):
    """A live company needs an installation that is fit for one."""

    code = "not_fit_for_production"
    title = "This installation is not fit for a live company"
    sentence = "A live company cannot be created yet: {problem}."


class MemberExists(Conflict):
    """One address, one member of a company."""

    code = "member_exists"
    title = "There is such a member"
    sentence = "Member {identifier} has this e-mail address already."
