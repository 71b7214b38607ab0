/** How well a text fits what was typed: 0 not at all. Words may come in any order; letters of one word need not
 * be neighbours, but count more if they are. Pure. */
export function match(wanted: string, text: string): number {
  const hay = text.toLowerCase();
  let sum = 0;
  for (const word of wanted.toLowerCase().split(/\s+/).filter(Boolean)) {
    const by = one(word, hay);
    if (by === 0) return 0;
    sum += by;
  }
  return sum;
}

function one(word: string, hay: string): number {
  const at = hay.indexOf(word);
  if (at === 0) return 100;
  if (at > 0) return /[\s:/._-]/.test(hay[at - 1]!) ? 80 : 50;
  let from = 0;
  for (const letter of word) {
    const next = hay.indexOf(letter, from);
    if (next < 0) return 0;
    from = next + 1;
  }
  return 10;
}
