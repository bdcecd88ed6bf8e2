/** The few terminal styles in use, by meaning. Basic colours only: they follow the user's own palette. */
export interface Style {
  bold: Paint;
  dim: Paint;
  italic: Paint;
  underline: Paint;
  strike: Paint;
  red: Paint;
  green: Paint;
  yellow: Paint;
  blue: Paint;
  magenta: Paint;
  cyan: Paint;
}

export type Paint = (text: string) => string;

export const COLOURED: Style = {
  bold: paint(1, 22),
  dim: paint(2, 22),
  italic: paint(3, 23),
  underline: paint(4, 24),
  strike: paint(9, 29),
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
  blue: paint(34, 39),
  magenta: paint(35, 39),
  cyan: paint(36, 39),
};

const plain: Paint = (text) => text;

export const COLOURLESS: Style = {
  bold: plain,
  dim: plain,
  italic: plain,
  underline: plain,
  strike: plain,
  red: plain,
  green: plain,
  yellow: plain,
  blue: plain,
  magenta: plain,
  cyan: plain,
};

export function toStyle(options: { colour: boolean }): Style {
  return options.colour ? COLOURED : COLOURLESS;
}

/** Select Graphic Rendition codes of ECMA-48. Styles of different kinds nest. */
function paint(on: number, off: number): Paint {
  return (text) => (text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`);
}
