"""Languages of the Latin script, told apart by their function words: to say when texts are not in a model's."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache

_FUNCTION_WORDS = {
    "en": """the of and to in is an as on so do no me we was had has that for with by from which it its this these
        those are were be been not or at they their what who how when where why does did have can should would could
        into than then there if about after before between during through under while because such other some any all
        both each most only also however you your my our us will may might must but she his him""",
    "de": """der die das den dem des ein eine einen einem einer eines und oder aber nicht ist sind war waren wird
        werden wurde wurden hat haben kann auf aus bei mit nach von vor zu zum zur für über unter durch gegen ohne
        zwischen im am als wie wenn dass daß sich sie er es ich wir ihr auch noch nur sehr mehr so was welche welcher
        welches diese dieser dieses""",
    "fr": """à cette chaque après avant peut le la les un une des du de et ou mais est sont était étaient été être ont
        avait dans sur sous avec sans pour par entre aux au ce ces cet que qui dont où il elle ils elles nous vous je
        ne pas plus comme aussi quel quelle quels quelles comment leur leurs son sa ses""",
    "es": """después antes cada puede todos todas contra hay el la los las un una unos unas del de al y o pero es son
        era fue fueron ser está están ha han en con sin por para sobre entre desde hasta que quien cuando donde como
        cómo qué cuál cuáles se su sus lo le les no más muy también este esta estos estas ese esa""",
    "it": """è dopo prima ogni contro può già dove nell dell all il lo la gli le un uno una di del dello della dei
        degli delle al alla ai alle dal dalla nel nella nei nelle sul sulla e ed ma sono era erano stato stata essere
        ha hanno con senza per tra fra su che chi cui quando come quale quali cosa si suo sua loro non più molto anche
        questo questa questi queste""",
    "pt": """é contra todos todas depois antes pode há já cada à os as um uma uns umas do da dos das de ao aos às no
        na nos nas pelo pela pelos pelas e ou mas são era foi foram ser está estão tem têm em com sem por para sobre
        entre desde até que quem quando onde como qual quais se seu sua seus suas não mais muito também este esta esse
        essa isso""",
    "nl": """worden elk elke alle omdat de het een en of maar niet is zijn was waren wordt werd werden heeft hebben
        kan op uit bij met naar van voor te ten ter door tegen zonder tussen als hoe wanneer dat die deze dit zich zij
        hij ik wij wat welke ook nog alleen meer om aan er in""",
    "ca": """és després abans cada el la els les un una uns unes del dels de al als i però són era van ser està estan
        ha han en amb sense per sobre entre des fins que qui quan on com quin quina es seu seva seus lo no més molt
        també aquest aquesta""",
    "ro": """și sau dar este sunt era au fost fi în pe cu fără pentru din la de un o unei unui care ce când unde cum
        se sa lui lor nu mai foarte acest această sînt si""",
    "sv": """å och eller men inte är var har hade att det den de en ett som på av för med till från om vid hur när vad
        vilken detta denna sig sin sitt han hon vi ni också mycket efter mellan under utan kan ska blev""",
    "da": """og eller men ikke er var har havde at det den de en et som på af for med til fra om ved hvordan hvornår
        hvad hvilken dette denne sig sin sit han hun vi også meget efter mellem under uden kan skal blev""",
    "no": """og eller men ikke er var har hadde at det den de en et ei som på av for med til fra om ved hvordan når
        hva hvilken dette denne seg sin sitt han hun vi også mye etter mellom under uten kan skal ble""",
    "fi": """hyvin vain mukaan ja tai mutta ei on ovat oli olivat että se ne hän he joka jotka kun kuin myös mitä mikä
        miten missä sen sitä tämä tämän ole ollut jos niin""",
    "hu": """az egy és vagy de nem van volt voltak hogy ez ezt azt aki ami amely mint is csak meg ki mi hogyan mikor
        hol között után alatt szerint által""",
    "pl": """i oraz lub ale nie jest są był była było być się na w we z ze do od dla po przez przed między bez o u że
        który która które kto co jak kiedy gdzie jego jej ich to ten ta tym tego""",
    "cs": """a nebo ale ne je jsou byl byla bylo být se na v ve z ze do od pro po přes před mezi bez o že který která
        které kdo co jak kdy kde jeho její jejich to ten ta této tento""",
    "tr": """ve veya ama değil bir bu şu ile için gibi daha en çok da de ne nasıl neden nerede kim hangi olan olarak
        var yok kadar sonra önce göre""",
    "id": """yang dan atau tetapi tidak adalah itu ini di ke dari untuk dengan pada oleh dalam akan telah sudah bisa
        dapat karena seperti juga apa siapa bagaimana kapan mana mereka kami kita""",
    "vi": """là và của không được có cho trong với này các một những người để khi đã đến từ như về nào gì ở""",
}  # fmt: skip
"""Frequent words of each language that have little meaning of their own. Single letters are names and variables too,
so they don't count, but for those with an accent."""
_UNSURE = frozenset(
    "de la le du les el los las del di da dos das van der den von zu al et per non con dal die".split()  # noqa: SIM905
)
"""Words of names, and those that English texts use as well: some other word must be among those of a language."""
_WORD = re.compile(r"[^\W\d_]+")
_LISTS = {
    code: frozenset(w for w in words.split() if len(w) > 1 or not w.isascii())
    for code, words in _FUNCTION_WORDS.items()
}
_LEAST_WORDS, _LEAST_DISTINCT, _LEAST_SHARE = 5, 3, 0.15


def foreign_language(texts: Iterable[str], languages: Collection[str]) -> str:
    """The ISO code of the language that texts, taken together, are written in, if it is one of the Latin script and
    none of ``languages``; "" if it is one of these, or can't be told, as of names, code, formulas, capitals alone (as
    peptides have) and fewer than five words. Languages without a list of function words here are never told.

    >>> foreign_language(["Wie hoch ist der Berg und wo liegt er?"], ["en"])
    'de'
    >>> foreign_language(["Pascal, L. et al.: de novo design of the La Brea trial"], ["en"])
    ''
    """
    mine = tuple(sorted(set(languages)))
    own, others = _lists(mine)
    if not own:
        return ""
    joined = "\n".join(texts)
    if joined.isupper():
        return ""
    words = Counter(_WORD.findall((joined if joined.isascii() else unicodedata.normalize("NFC", joined)).lower()))
    total = words.total()
    if total < _LEAST_WORDS:
        return ""
    hits, distinct, sure = Counter[str](), Counter[str](), set[str]()
    own_hits = 0
    for word in words.keys() & (own | others.keys()):
        own_hits += words[word] if word in own else 0
        for code in others.get(word, ()):
            hits[code] += words[word]
            distinct[code] += 1
            if word not in _UNSURE:
                sure.add(code)
    best, count = max(hits.items(), key=lambda item: item[1], default=("", 0))
    enough = distinct[best] >= _LEAST_DISTINCT and count >= max(_LEAST_SHARE * total, 1.5 * own_hits)
    return best if enough and best in sure else ""


@cache
def _lists(languages: tuple[str, ...]) -> tuple[frozenset[str], dict[str, list[str]]]:
    """The function words of languages, none if one of them has no list here; and the languages of every word that is
    none of these."""
    if not set(languages) <= _LISTS.keys():
        return frozenset(), {}
    own = frozenset[str]().union(*(_LISTS[code] for code in languages))
    others: dict[str, list[str]] = {}
    for code, listed in _LISTS.items():
        if code not in languages:
            for word in listed - own:
                others.setdefault(word, []).append(code)
    return own, others
