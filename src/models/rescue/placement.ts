/** Whether the words around a call say that it is meant to run, or that it is shown to the user. */

const EXAMPLE =
  /\b(?:examples?|e\.g|for instance|such as|looks? like|syntax|illustrat\w+|demonstrat\w+|would (?:be|look))\b/i;
/** Words of examples, and just as well of work: "let me format the sample". */
const MAYBE_EXAMPLE = /\b(?:formats?|samples?|snippets?|templates?|could)\b/i;
const PRESENTS =
  /\b(?:show|tell|give|offer)\w* you\b|\byou (?:can|could|may|might|should|would|will|need|want)\b|\b(?:copy|paste|save this)\b/i;
const ANNOUNCES =
  /\b(?:I'll|I’ll|I will|I'm|I’m|I am|I need|I should|I must|I have to|I would|let me|let's|let’s|let us)\b|^(?:calling|using|running|reading|creating|writing|editing|executing|checking|listing|searching|opening|looking|first|next|now)\b/im;
const LONGEST_ANNOUNCEMENT = 400;

/** The words right before an unmarked call announce an action of the writer, and present nothing to the reader. */
export function announcesAction(before: string): boolean {
  const paragraph = lastParagraph(before);
  if (paragraph.length > LONGEST_ANNOUNCEMENT || EXAMPLE.test(paragraph) || PRESENTS.test(paragraph))
    return false;
  return ANNOUNCES.test(paragraph);
}

/** The line that leads in says that an example follows. */
export function introducesExample(before: string): boolean {
  const lead = before.trimEnd().split("\n").at(-1) ?? "";
  if (!lead.endsWith(":")) return false;
  const example = EXAMPLE.test(lead) || MAYBE_EXAMPLE.test(lead);
  return PRESENTS.test(lead) || (example && !ANNOUNCES.test(lead));
}

/** In a quotation (`> …`) or right after a quotation mark or bracket. */
export function isQuoted(line: string): boolean {
  return /^\s*>/.test(line) || /["'`“‘«(]$/.test(line);
}

function lastParagraph(text: string): string {
  return (
    text
      .trim()
      .split(/\n\s*\n/)
      .at(-1) ?? ""
  );
}
