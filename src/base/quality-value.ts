/**
 * Reads how much a client likes what it names: the weight `q` of Accept and its relatives.
 *
 * Thread: any (pure). RFC 9110 section 12.4.2.
 */

const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i;

/** From 0 to 1, of a parameter such as `q=0.8`; NaN when it is none, or not as RFC 9110 has it. */
export function qualityValue(parameter: string): number {
  const read = WEIGHT.exec(parameter.trim());
  return read === null ? Number.NaN : Number(read[1]);
}
