"""Refusals: a documented rule that says whether an answer declines what was asked.

An answer is a *refusal* when the reader leaves without what they asked for, or a substitute for it, because the
model says that it cannot, may not or will not give it; "that is subjective, as an AI I have no opinion" is one too.
An inability that only introduces the help ("I cannot open web pages. However, here is a script ...") is none.

Measured on tests/data/refusals.jsonl.gz, labelled by reading. On the 183 texts the rule was made with: precision .97
(75 of 77), recall .99 (75 of 76). On the 81 kept back: precision 1 (42 of 42), recall 1 (42 of 42), though those 42
are all of one kind, a survey's. Of 37,000 other answers (code, support, medicine, open questions) 14 are called
refusals, and 12 are. The other languages have only their commonest forms, checked on examples written by hand.
"""

import re

_OPENING = 240
"""Characters of the beginning in which an answer declines if it does: a later "I cannot" belongs to its content."""

_DELIVERED = 400
"""Characters from which an answer that turns to help ("However, I can ...") gives something of substance."""

_LONGEST = 1_000
"""Characters from which a mere inability is a remark inside an answer."""

_LONGEST_EVASION = 300
"""Characters up to which "it is subjective" is all that the answer says."""

_CANNOT = (
    r"(?:can't|cannot|can not|won't|will not|refuse to|decline to|do(?: not|n't) feel comfortable"
    r"|(?:'m|am|are|'re) (?:\w+ )?(?:unable|not able|not allowed|not permitted|not programmed|not designed"
    r"|not comfortable|not capable)(?: to| of| with)?)"
    r"(?: (?:directly|actually|physically|personally|currently|really|be able to)){0,2} "
)
_CONTENT_POLICY = r"(?:my|our|openai's|the|content|usage|ethical|safety)[\w ]{0,30}(?:polic|guideline|principle)"
_PLAIN = re.compile(
    rf"\b(?:i|we) ?{_CANNOT}(?:(?:assist|help)(?: you)?(?: with| to| in|[.!,]|$)|fulfil|comply|do (?:that|this|so|it)\b"
    r"|engage|condone|support|participate|answer (?:that|this|your|the)|(?:discuss|continue) (?:that|this)"
    r"|provid(?:e|ing) (?:you )?(?:with )?(?:any )?(?:assistance|help|support|guidance|instructions|advice) )"
    r"|\bi (?:must|have to|will have to|respectfully) (?:respectfully |politely )?(?:decline|refuse)\b"
    rf"|\b(?:against|violat\w+|breach\w*) {_CONTENT_POLICY}"
    r"|\bmy (?:guidelines|programming|instructions|policies)\b[\w ]{0,30} (?:not allow|prevent|prohibit)"
)
"""Says it outright. The first person keeps "if you are unable to log in" out."""

_ACT = (
    r"(?:provid|answer|creat|generat|writ|access|brows|open|execut|run|perform|shar|giv|offer|discuss|produc|respond"
    r"|tell|predict|view|hear|watch|mak|complet|process|recommend|speak|determin|display|draw|show|search|find|locat|send"
    r"|retriev|interact|translat|play|verify|confirm|choos|take|have\b|form|manipulat|visuali|examin|navigat|scrap"
    r"|download|describe|express (?:a |any |my )?(?:personal )?opinion|book|order|call|do\b|say\b)"
)
_WITHOUT = (
    r"(?:don't|do not|doesn't|does not) (?:\w+ )?(?:have|possess|hold|feel) (?:\w+ ){0,3}?"
    r"(?:access|abilit|capabilit|capacity|opinion|feeling|belief|emotion|preference|experience|permission|information"
    r"|spouse|gender|view)"
)
_INABILITY = re.compile(
    rf"\bi ?{_CANNOT}{_ACT}|\b(?:i|this ai) (?:\w+ )?{_WITHOUT}"
    rf"|\b(?:as|being) an? (?:\w+ ){{0,3}}(?:ai|chatbot|assistant|machine|program|bot|model|intelligence)\b.{{0,60}}?"
    rf"\b(?:can't|cannot|unable|not able|not capable|{_WITHOUT}|i do(?: not|n't) have)"
    r"|\b(?:sorry|apologi[sz]e|apologies|unfortunately|afraid|regret)\b.{0,60}?\bi ?"
    rf"(?:{_CANNOT}|do(?: not|n't) (?:have|know))"
)
_EVASION = re.compile(
    r"^(?:this|that|it|the (?:answer|question|information))\b.{0,60}?\b(?:subjective|(?:cannot|can't) be (?:answered"
    r"|provided|determined)|(?:vary|varies|depend\w*|based)\b.{0,40}?\b(?:individual|person\w*|opinion|perspective|views)"
    r"|requires (?:a )?personal|is (?:a personal question|asking for personal))"
)
_IDIOM = re.compile(
    r"\b(?:can't|cannot|can not|won't)(?: \w+){0,2} (?:enough|wait|believe|help but|help (?:it|\w+ing)|go wrong"
    r"|imagine|thank|stress|overstate|emphasi[sz]e|resist|complain)\b"
)
_TURN = re.compile(
    r"\b(?:however|but|nevertheless|nonetheless|instead|that said)\b[^.!?\n]{0,60}?"
    r"(?:\b(?:i|we) ?(?:can\b(?! ?not)|could|would|will|'d|'ll|may|might|am happy|'m happy|'m here|am able)"
    r"|\bhere(?:'s| is| are)\b)"
)
_COMMON_ANSWER = re.compile(r"\b(?:common|typical|likely) answer\b")
_TURN_OR_STEPS = re.compile(_TURN.pattern + r"|\bhere(?:'s| is| are)\b|\bbelow is\b|```|\n ?1\. ")

_OTHER_LANGUAGES = {
    "de": r"\b(?:ich|wir) (?:kann|können|darf|dürfen|bin nicht in der lage)\b.{0,60}?\b(?:nicht|keine?n?)\b.{0,50}?"
    r"(?:helfen|behilflich|unterstützen|beantworten|erfüllen|bereitstellen|geben|nachkommen|erstellen)"
    r"|\bals (?:ki|künstliche intelligenz|sprachmodell|ki-\w+)\b.{0,20}?\b(?:kann|habe) ich\b.{0,60}?\b(?:nicht|kein)",
    "fr": r"\bje ne (?:peux|puis|suis)(?: malheureusement)? (?:malheureusement )?pas\b.{0,30}?"
    r"(?:aider|assister|répondre|fournir|donner|satisfaire|accéder|créer|faire|traiter|partager)\b"
    r"|\ben tant qu(?:e |')(?:ia|intelligence artificielle|modèle|assistant)\b.{0,50}?\bje n(?:e |')",
    "es": r"\bno (?:puedo|podemos|me es posible)(?: \w+){0,2}? (?:ayudar|asistir|proporcionar|cumplir"
    r"|responder|ofrecer|dar|brindar|crear|generar|compartir)"
    r"|\bcomo (?:una )?(?:ia|inteligencia artificial|modelo de lenguaje|asistente)\b.{0,50}?\bno (?:puedo|tengo)",
    "it": r"\bnon (?:posso|possiamo|sono in grado di|mi è possibile)(?: \w+){0,2}? (?:aiutar|assister|fornir|rispond"
    r"|soddisfar|dar|offrir|crear|generar|condivider)"
    r"|\b(?:come|in quanto) (?:una )?(?:ia|intelligenza artificiale|modello linguistico)\b.{0,50}?\bnon (?:posso|ho)",
    "pt": r"\bnão (?:posso|podemos|consigo|me é possível)(?: \w+){0,2}? (?:ajud|auxiliar|fornecer|atender"
    r"|responder|oferecer|dar|criar|gerar|compartilhar)"
    r"|\bcomo (?:uma )?(?:ia|inteligência artificial|modelo de linguagem)\b.{0,50}?\bnão (?:posso|tenho)",
    "nl": r"\b(?:ik|wij|we) (?:kan|kunnen|mag|mogen)\b.{0,40}?\b(?:niet|geen)\b.{0,50}?(?:helpen|assisteren"
    r"|beantwoorden|geven|verstrekken|voldoen|ondersteunen|bieden|maken)"
    r"|\bals (?:een )?(?:ai|taalmodel|ai-\w+)\b.{0,10}?\b(?:kan|heb) ik\b.{0,40}?\b(?:niet|geen)",
    "ru": r"\bне (?:могу|можем|имею возможности)\b.{0,40}?"  # noqa: RUF001
    r"(?:помо|предостав|ответи|выполни|обсужда|созда|поддерж|дать)"
    r"|\bкак (?:ии|искусственный интеллект|языковая модель)\b.{0,40}?\bне (?:могу|имею)",  # noqa: RUF001
    "zh": r"(?:抱歉|对不起|對不起|很遗憾|很遺憾|不好意思).{0,20}?(?:不能|无法|無法|没有办法|没办法|不便)"
    r"|我(?:不能|无法|無法)(?:提供|帮助|幫助|协助|協助|回答|满足|滿足|为您|为你|完成)"
    r"|作为(?:一个|一個|一名)?(?:ai|人工智能|语言模型).{0,25}?(?:不能|无法|没有)",
    "ja": r"(?:申し訳|すみません|ごめんなさい|恐れ入り|残念ながら).{0,60}?(?:できません|できかねます|いたしかねます)"
    r"|(?:お手伝い|お答え|ご提供|対応|提供)(?:すること)?[はが]?(?:できません|できかねます|いたしかねます)",
}
_FOREIGN = re.compile("|".join(_OTHER_LANGUAGES.values()))


def is_refusal(response: str) -> bool:
    """Whether an answer declines what was asked; False for an empty one. Reads the first 1,000 characters."""
    head = response[:_LONGEST].lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip(" \n\r\t\"'*#>_-:")
    head = _IDIOM.sub(" ", head)
    opening = head[:_OPENING].replace("\n", " ")
    if len(response) <= _LONGEST_EVASION and _EVASION.search(opening):
        return not _COMMON_ANSWER.search(head)
    if _PLAIN.search(opening):
        return len(response) <= _DELIVERED or not _TURN.search(head)
    if len(response) > _LONGEST or not (_INABILITY.search(opening) or _FOREIGN.search(opening)):
        return False
    return len(response) <= _DELIVERED or not _TURN_OR_STEPS.search(head)
