/**
 * In what the reply to a copy differs from the one that the client got.
 *
 * Thread: any (pure).
 */

/** A reply as its target gave it. */
export interface SeenReply {
  readonly status: number;
  /** Names as they came, and values. */
  readonly fields: Iterable<readonly [name: string, value: string]>;
  readonly bodyBytes: number;
  /** The same for the same bytes; '': it was not looked at. */
  readonly bodyHash: string;
}

export interface ComparisonRule {
  readonly compares: {
    readonly status: boolean;
    readonly fields: boolean;
    readonly body: boolean;
  };
  /** Names of fields, lower case. */
  readonly ignored: readonly string[];
}

export interface Difference {
  readonly status: boolean;
  /** Names of the fields that differ, lower case, sorted; never their values. */
  readonly fields: readonly string[];
  readonly body: boolean;
}

/** null: they are alike in all that is compared. */
export function differenceOf(
  { compares, ignored }: ComparisonRule,
  main: SeenReply,
  copy: SeenReply,
): Difference | null {
  const status = compares.status && main.status !== copy.status;
  const fields = compares.fields ? differingFields(main.fields, copy.fields, ignored) : [];
  const isSameBody = main.bodyBytes === copy.bodyBytes && main.bodyHash === copy.bodyHash;
  const body = compares.body && !isSameBody;
  return status || body || fields.length > 0 ? { status, fields, body } : null;
}

function differingFields(
  main: SeenReply['fields'],
  copy: SeenReply['fields'],
  ignored: readonly string[],
): string[] {
  const [one, other] = [valuesByName(main), valuesByName(copy)];
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names]
    .filter((name) => !ignored.includes(name) && one.get(name) !== other.get(name))
    .sort();
}

/** Several fields of one name are one list (RFC 9110 5.3). */
function valuesByName(fields: SeenReply['fields']): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of fields) {
    const lower = name.toLowerCase();
    const before = values.get(lower);
    values.set(lower, before === undefined ? value : `${before}, ${value}`);
  }
  return values;
}
