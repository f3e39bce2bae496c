"""Why something cannot be done with a company, its tokens or its members."""

from jetpay.base.refusals import Conflict, Forbidden


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


class TooManyNetworks(Conflict):
    """Each grant is one that somebody has to know of."""

    code = "too_many_networks"
    title = "Too many networks"
    sentence = (
        "This company may call {limit} networks already; take one back before adding another."
    )


class LacksScope(Forbidden):
    """The token's company may, the token may not."""

    sentence = "The API token that was sent lacks the scope that this call needs: {scope}."
