"""English word lists of the rules, none of them from any one book; all in lower case, without full stops."""

from __future__ import annotations

from pathlib import Path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MALE = _words("""
    mr master sir lord king prince duke count baron earl uncle monsieur herr don squire father brother abbot
    emperor wizard steward
""")

FEMALE = _words("""
    mrs miss ms lady madam madame mademoiselle queen princess duchess countess baroness aunt sister mother
    dame fraulein mistress nurse empress
""")

NEUTRAL = _words("""
    dr doctor captain colonel admiral major general lieutenant sergeant corporal commander commodore private
    professor judge justice reverend rev inspector detective constable officer president senator governor
    mayor saint st cousin bishop cardinal pope archdeacon archmage mage magister chief agent elder warden
    marshal chancellor knight ser
""")
"""Titles before a name, by the gender they show."""

HONORIFICS = MALE | FEMALE | NEUTRAL

RANKS = _words("""
    captain colonel admiral major general lieutenant sergeant commander commodore professor doctor judge
    inspector bishop king queen prince princess duke duchess count countess baron baroness earl emperor
    empress governor mayor president
""")
"""Honorifics that also name their bearer alone: the Admiral."""

ENDEARMENTS = _words("""
    dear dearest poor old young little sweet good my our his her their your the a an
""")
"""Adjectives and determiners before a name that are no part of it."""

SPEECH_VERBS = _words("""
    said cried replied answered asked exclaimed returned whispered shouted muttered added continued
    repeated observed remarked thought called screamed sighed laughed interrupted says asks murmured
    growled snapped yelled responded rejoined declared demanded agreed began went inquired enquired
    suggested explained insisted admitted protested nodded smiled grinned grumbled shrieked bellowed
    hissed breathed mused retorted announced stammered warned promised told spoke
""")
"""Verbs of speech (said Anne, Anne replied), with smiles and nods: beside one a name is a speaker."""

BEFORE_PLACE = _words("""
    in at from to near towards toward into leave left reached through across within around above below via
""")
"""Prepositions and verbs that precede a place."""

COMPASS = _words("north south east west northern southern eastern western")
"""Directions, often capitalised."""

PLACE_ENDS = _words("""
    street road lane square park hall house castle abbey bridge hill river lake mountain mountains
    forest wood woods valley bay island islands town city village county shire kingdom empire palace
    tower inn church school college court place station garden gardens buildings terrace common cottage
    lodge grange manor heath sea ocean desert plains keep harbor harbour
""")
"""Last words of place names."""

ORG_ENDS = _words("""
    company club society guild order council army navy legion regiment bank university college school
    ministry department committee agency corporation institute parliament board brotherhood union
    league alliance federation
""")
"""Last words of organizations."""

NOT_NAMES = _words("""
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july
    august september october november december christmas easter michaelmas god heaven lord chapter
    volume book part english french german italian spanish russian chinese american british european
    latin greek roman irish scottish welsh indian christian catholic protestant england france london
    paris europe america germany italy spain russia china india ireland scotland wales britain africa
    asia bible internet i oh ah yes no well sir madam ma'am the a an but and or if so then he she it
    they we you his her its their our your my this that these those what who when where why how which
    there here mr mrs miss ms dr sirs mama papa mamma mother father mum dad mom sister brother aunt
    uncle grandma grandpa grandmother grandfather o majesty honour honor highness grace lordship
    ladyship esq esquire messrs hon honourable honorable pray aye ay nay hush alas hurrah hullo hello hallo
    humph ugh psha pooh bah jove goodbye good-bye welcome thank thanks please bless damn hark lo behold
""")
"""Capitalised words that name no person by themselves."""

MONTHS = _words("march april may june july august")
"""Months that may begin a name: the March Hare."""


def _nicknames() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in (Path(__file__).parent / "data" / "nicknames.txt").read_text("utf-8").splitlines()[1:]:
        full, _, short_forms = line.partition(": ")
        for short in short_forms.split():
            found[short] = found.get(short, frozenset()) | {full}
    return found


NICKNAMES = _nicknames()
"""Short form → the first names it may stand for."""

FEMALE_NAMES = _words("""
    mary anne ann anna emma elizabeth jane sarah margaret alice catherine katherine kate louisa
    henrietta fanny lucy charlotte caroline julia maria martha harriet susan ellen emily amelia sophia
    sophie eleanor helen grace ruth rebecca rachel hannah laura clara edith florence agnes rose lily
    violet daisy dorothy isabella georgiana lydia penelope jessica jennifer linda barbara patricia karen
    nancy lisa amy angela victoria diana julie olivia ava mia chloe zoe hermione ginny elena irene vera
    nina eva ella nora mabel ada bella beatrice rosalind
""")
MALE_NAMES = _words("""
    john william charles james george thomas henry edward robert richard frederick walter arthur albert
    alfred peter paul david michael daniel joseph samuel philip stephen andrew alexander benjamin
    francis frank harry jack hugh edmund ralph simon oliver patrick martin matthew mark luke christopher
    nicholas anthony tom bill bob dick jim joe sam ben will ned ted max leo adam eric kevin brian gary
    steven jason ryan justin ethan noah liam lucas
""")
"""Common first names of one gender, so that a man is not taken for a woman."""
