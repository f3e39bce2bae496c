"""The names of Canadian financial institutions by number, in English and French.

From public copies of the Payments Canada Financial Institutions File list of about 2021, with the
changes known since. The list ages and numbers of merged institutions work for years, so an
unknown or a retired number is worth a warning and never a refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

# Number, name, and the French name where it is another.
_IN_USE = """
001 Bank of Montreal | Banque de Montréal
002 Bank of Nova Scotia (Scotiabank) | Banque de Nouvelle-Écosse (Banque Scotia)
003 Royal Bank of Canada | Banque Royale du Canada
004 Toronto-Dominion Bank | Banque Toronto-Dominion
006 National Bank of Canada | Banque Nationale du Canada
010 Canadian Imperial Bank of Commerce (CIBC) | Banque Canadienne Impériale de Commerce (CIBC)
030 Canadian Western Bank | Banque canadienne de l’Ouest
039 Laurentian Bank of Canada | Banque Laurentienne du Canada
117 Government of Canada | Gouvernement du Canada
177 Bank of Canada | Banque du Canada
219 ATB Financial
241 Bank of America, NA
248 Barclays Bank Canada
260 Citibank Canada | Citibanque Canada
269 Mega International Commercial Bank (Canada) | Banque Internationale de Commerce Mega (Canada)
270 JPMorgan Chase Bank, NA
275 KEB Hana Bank Canada | Banque KEB Hana du Canada
294 State Bank of India (Canada)
301 SMBC Canada
303 Amex Bank of Canada | Banque Amex du Canada
307 Industrial and Commercial Bank of China | Banque Industrielle et Commerciale de Chine
308 Bank of China (Canada) | Banque de Chine (Canada)
309 Vancity Community Investment Bank
310 First Nations Bank of Canada | Banque des Premières Nations du Canada
311 Bank of America Canada | Banque d’Amérique du Canada
312 Rabobank Canada
313 CS Alterna Bank | Banque CS Alterna
315 CTBC Bank (Canada)
318 U.S. Bank, NA
320 President’s Choice Bank | Banque le Choix du Président
321 Habib Canadian Bank | Banque Habib Canadienne
323 Capital One
327 State Street
328 Citibank, NA
332 First Commercial Bank
334 VersaBank | VersaBanque
338 Canadian Tire Bank | Banque Canadian Tire
339 UBS AG Canada Branch | UBS AG, succursale canadienne
340 ICICI Bank Canada | Banque ICICI du Canada
345 Fifth Third Bank
347 Bridgewater Bank | Banque Bridgewater
349 Northern Trust
352 DirectCash Bank
355 Shinhan Bank Canada | Banque Shinhan du Canada
357 M&T Bank
358 HomeEquity Bank | Banque HomeEquity
360 Barclays Bank PLC, Canada
361 Home Bank
362 Wells Fargo Bank, Canada Branch | Wells Fargo Bank, succursale canadienne
365 PNC Bank Canada
366 China Construction Bank
367 BNP Paribas
368 Rogers Bank | Banque Rogers
370 Wealth One Bank of Canada | Banque Wealth One du Canada
372 Bank of China, Toronto Branch | Banque de Chine, succursale de Toronto
374 Motus Bank
376 Exchange Bank of Canada
377 RFA Bank of Canada | Banque RFA du Canada
378 Cidel Bank Canada
382 Coast Capital Savings
383 Peoples Bank of Canada
507 Community Trust | Compagnie de fiducie Community
540 Manulife Bank of Canada | Banque Manuvie du Canada
551 Sun Life Financial Trust | Fiducie de la Financière Sun Life
560 B2B Bank | B2B Banque
568 Peace Hills Trust | Compagnie de fiducie Peace Hills
608 CS Alterna Bank | Banque CS Alterna
614 Tangerine
620 ResMor Trust | Compagnie de fiducie ResMor
621 Peoples Trust | Compagnie de fiducie Peoples
623 Equitable Bank (EQ Bank) | Banque Équitable (Banque EQ)
625 Industrial Alliance Trust | Industrielle Alliance, Fiducie
626 Manulife Trust | Société de fiducie Manuvie
701 Edward Jones
806 DUCA Financial Services Credit Union
807 Communication Technologies Credit Union
809 Central 1 Credit Union (British Columbia) | Central 1 Credit Union (Colombie-Britannique)
815 Caisses Desjardins du Québec
819 Caisse Financial Group (Manitoba) | Caisse Groupe Financier (Manitoba)
821 Credit unions of Nova Scotia | Coopératives de crédit de la Nouvelle-Écosse
828 Central 1 Credit Union (Ontario)
829 Caisses populaires de l’Ontario (Desjardins Ontario)
831 Credit unions of New Brunswick | Coopératives de crédit du Nouveau-Brunswick
837 Meridian Credit Union
839 Atlantic Central
840 Dundalk District Credit Union
841 Independent credit unions of Quebec | Coopératives de crédit indépendantes du Québec
842 Alterna Savings | Caisse Alterna
848 DUCA Financial Services Credit Union
849 Brunswick Credit Union
851 Independent credit unions of Ontario | Coopératives de crédit indépendantes de l’Ontario
853 Concentra
854 Golden Horseshoe Credit Union
861 Independent credit unions of Manitoba | Coopératives de crédit indépendantes du Manitoba
865 UNI Financial Cooperation | UNI Coopération financière
869 Credit Union Central of Canada | Centrale des caisses de crédit du Canada
872 Rochdale
879 Credit Union Central of Manitoba
881 Independent credit unions, Alberta and N.W.T. | Coopératives de crédit, Alberta et T.N.-O.
889 SaskCentral
890 Caisse Alliance
899 Alberta Central
"""

# Defunct, merged, or a foreign branch without accounts of private persons.
_RETIRED = """
016 HSBC Bank Canada | Banque HSBC Canada
127 Canada Post | Postes Canada
187 CSB
220 BC Community Financial
239 Desjardins Credit Union
240 RBS NV
242 Bank of New York Mellon
243 UFJ
244 Republic National
245 MUFG Bank
249 Intesa
250 BNP Paribas Canada
252 JPMorgan Chase
258 CSFB
259 Comerica Canada
261 Dresdner
265 Deutsche Bank Canada
267 CCF
277 Mizuho
278 Fuji
279 IBJ
281 JPMorgan Canada
286 National Bank of Greece | Banque Nationale de Grèce
289 BNP Canada
290 UBS Bank (Canada)
292 Société Générale
298 HSBC
300 Tokai
302 UOB Canada
305 BCP
314 JPMorgan Bank Canada
316 HSBC
317 JPMorgan Chase
319 Canadian money orders | Mandats canadiens
322 Rabobank
325 Bank One
326 Amicus Bank (President’s Choice Financial, now Simplii)
329 Deutsche Bank AG
330 Comerica
331 ABN AMRO
333 HSBC USA
335 UOB
336 Maple Bank
337 Bank West
342 Zag Bank
343 ADS Canadian
344 General Bank of Canada
346 Société Générale, Canada Branch | Société Générale, succursale canadienne
350 Mizuho Corporate
351 Landsbanki
354 Jameson
356 Citco
359 Duo Bank of Canada
363 RBS NV
364 Continental Bank
369 Amex Travel
373 SMBC, Canada Branch | SMBC, succursale canadienne
375 Thomas Cook
380 Mega
501 Acadia
505 Crown
506 Trust General
509 Canada Trust
515 Dominion
520 Evangeline
522 Laurentian Trust
523 Guardian
528 Granville
532 Effort Trust
534 International
535 Home Savings and Loan
536 Investors Group Trust
538 Canadian Italian
539 Inland
544 Montreal Trust
547 Mennonite
548 CIBC Trust
549 St Bernard
550 Montreal Trust
552 HSBC Trust
553 Municipal Trust
554 Citizens Trust
570 Royal Trust
572 General Trust
577 NB Trust
580 Royal Trust
588 Settlers
590 National Trust
592 Royal Bank Mortgage
597 TD Mortgage
603 TD Mortgage
604 HSBC Mortgage
606 Scotia Mortgage
607 Trimark
613 Canada Trust
618 B2B
619 B2B
622 GE Money Trust
630 Household Trust
700 Scotia iTrade
779 Wheat Pool
789 Wheat Pool
799 Wheat Pool
801 Independent credit unions of Newfoundland | Coopératives de crédit indépendantes de Terre-Neuve
802 Newtel
803 Latvian
804 Toronto Fire
808 Arnstein
810 All Trans
812 North York
830 Airline
833 St Stanislaus
834 Community First
836 Kapuskasing
843 AMCU
844 Goderich
846 Ontario Civil Service
850 Lambton
"""


@dataclass(frozen=True, slots=True)
class _Institution:
    english: str
    french: str
    retired: bool


def _parse(table: str, *, retired: bool) -> dict[str, _Institution]:
    found: dict[str, _Institution] = {}
    for line in table.strip().splitlines():
        number, names = line.split(maxsplit=1)
        english, _, french = names.partition(" | ")
        found[number] = _Institution(english, french or english, retired)
    return found


_INSTITUTIONS: Final[Mapping[str, _Institution]] = MappingProxyType(
    _parse(_IN_USE, retired=False) | _parse(_RETIRED, retired=True)
)


def institution_name(number: str, language: str) -> str | None:
    """The name for people; English unless `language` is `fr`; None for an unknown number."""
    institution = _INSTITUTIONS.get(number)
    if institution is None:
        return None
    return institution.french if language == "fr" else institution.english


def in_use(language: str) -> list[tuple[str, str]]:
    """Number and name of every institution with which a payee may have an account."""
    return [
        (number, each.french if language == "fr" else each.english)
        for number, each in _INSTITUTIONS.items()
        if not each.retired
    ]


def is_known(number: str) -> bool:
    """Whether the list has this number."""
    return number in _INSTITUTIONS


def is_retired(number: str) -> bool:
    """Whether the list has it as one with which a payee hardly has an account today."""
    institution = _INSTITUTIONS.get(number)
    return institution is not None and institution.retired
