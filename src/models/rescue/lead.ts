/** Words right before a call that show that it is not meant to run: a refusal, a question, a condition, a presentation, a label. */

const REFUSES =
  /\bI (?:won['’]t|(?:will|shall|must|should|may|would) (?:not|never)|can(?:not|['’]t) (?:run|execute|do)|refuse|decline)\b|\b(?:I['’]m|I am) not (?:going|allowed|able|willing)\b|\bnot (?:be )?(?:allowed|permitted|meant|safe|supposed)\b|(?:\b(?:not|never)|n['’]t) (?:\w+ ){0,2}?(?:run|execut\w+|call(?:ed)?|invok\w+|follow(?:ed)?|obey(?:ed)?|do (?:it|this|that|so))\b|\bwon['’]t[.:]?$/gi;
const ASKS = /[?？]\W*$/;
const CONDITION =
  /\b(?:if|once|when|unless|until|as soon as|after|provided(?: that)?)\s+(?:you|the user)(?:['’]d|['’]ve|['’]re| would| have| are)?\s+(?:\w+ )?(?:approv|agree|confirm|want|like|wish|say|allow|permit|ask|prefer|accept|consent|ok|okay|happy|fine|sure|ready|tell|let me|decide)\w*|\bwith your (?:approval|permission|consent|ok)\b/i;
const QUOTES =
  /\b(?:quot(?:e|es|ed|ing)|cit(?:e|es|ed|ing)|attach(?:es|ed|ing)?|past(?:ed|ing)|reproduc\w+|verbatim)\b|\b(?:I['’]m|I am) (?:showing|sharing|reporting|repeating|including|presenting)\b/i;
/** The verb stands at the end, with nothing after it but words for what follows. */
const PRESENTS =
  /\b(?:contains?|contained|includes?|holds|says?|said|reads|shows?|showed|states?|stated|displays|prints|printed|outputs|returns|returned|writes|wrote|answers|answered|responds|responded|replies|replied|has|is|are|was|were)(?: (?:only|also|just|exactly|simply|with|this|these|the|a|an|one|two|following|line|lines|block|text|contents?|calls?|words?|request|instructions?|as|follows|below|at|end|top|bottom|start|in|it|its))*\s*:?$/i;
const FOUND =
  /\bI(?:['’]ve| have)? (?:found|saw|read|got|received|copied|noticed|discovered|extracted) (?:this|these|that|it|the following)\b.*:$/i;
const SOURCE =
  /^(?:here (?:is|are) )?(?:the )?(?:\w+ )?(?:outputs?|contents?|results?|text|body|excerpt|transcript|log|response|reply)(?: (?:of|from|in)\b.*)?:$/i;
const NEXT = /\b(?:next|first|second|third|last|final) (?:step|action|thing|move|command|task)\b|\bstep \d/i;
const OWN =
  /\b(?:I['’]ll|I will|(?:I['’]m|I am) (?:now )?(?:going|about) to|I need to|I must|I should|I have to|let me|let['’]s|let us)\b(?! (?:not|never)\b)/i;

const LABEL =
  /^\s*(?:#{1,6}\s+(.+)|(?:\d+[.)]\s+|[-*+]\s+)?(?:\*\*|__)(.+?)(?:\*\*|__)|(?:\d+[.)]|[-*+])\s+([\w.+-]+(?: [\w.+-]+)?))\s*:?\s*$/;
const WORK =
  /\b(?:step|\w+ing|create|make|read|write|run|check|list|edit|update|add|delete|remove|fix|test|install|start|stop|find|search|open|look|see|show|get|set|build|change|save|move|copy|apply|do|verify|inspect|view|explore|call|use|execute|now|next|first|plan|action)\b/i;

/** Only the end of a longer line is looked at. */
const LONGEST_LEAD = 500;

/** The words right before hold the call back. */
export function holdsBack(before: string): boolean {
  const line = before.trimEnd().slice(-LONGEST_LEAD).split("\n").at(-1)?.trim() ?? "";
  if (line === "") return false;
  if (isLabel(line)) return true;
  const sentence = line.split(/(?<=[.!?。！？])\s+/).at(-1) ?? "";
  if (ASKS.test(sentence) || CONDITION.test(sentence) || QUOTES.test(sentence)) return true;
  return refuses(line) || (isPresentation(sentence) && !OWN.test(sentence));
}

function isPresentation(sentence: string): boolean {
  if (NEXT.test(sentence)) return false;
  return PRESENTS.test(sentence) || FOUND.test(sentence) || SOURCE.test(sentence);
}

/** "I won't touch the rest, so let me write a new file:" goes on to announce. */
function refuses(line: string): boolean {
  const last = [...line.matchAll(REFUSES)].at(-1);
  return last !== undefined && !OWN.test(line.slice(last.index + last[0].length));
}

/** A heading, bold words or an item that names something rather than a step of the work. */
function isLabel(line: string): boolean {
  const words = LABEL.exec(line)?.slice(1).find(Boolean);
  return words !== undefined && !WORK.test(words) && !OWN.test(words);
}
