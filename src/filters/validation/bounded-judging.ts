/**
 * Judging by schemas that refer to themselves, in time that grows with the body.
 *
 * Thread: any (pure). A tree of conditions is `and`, `or` or `not` of such trees: each choice would
 * judge all below it again, and a body of some hundred bytes, nested deeply, take hours. What a
 * schema has said of a value is remembered until the whole body is judged. As ajv writes it, every
 * circle of schemas passes through an object `wrapper` with the function that judges.
 */
import type { ErrorObject, ValidateFunction } from 'ajv';
import { VIOLATIONS_MAX } from './violations.js';

/** What the code of a schema calls to judge by another one. */
interface Judge {
  (value: unknown, context: unknown): boolean;
  errors?: readonly ErrorObject[] | null;
  evaluated?: Evaluated;
}

/** Members and items that unevaluatedProperties and unevaluatedItems leave alone. */
type Evaluated = ValidateFunction['evaluated'];

interface Verdict {
  readonly isValid: boolean;
  readonly errors: readonly ErrorObject[];
  readonly evaluated: Evaluated;
}

/** The verdicts on one body, of every schema that refers to itself. */
export class Verdicts {
  private readonly all: Map<unknown, Verdict>[] = [];

  get isUsed(): boolean {
    return this.all.length > 0;
  }

  /** The same judge, which judges no object or list twice. */
  readonly remembered = (judge: Judge): Judge => {
    const known = new Map<unknown, Verdict>();
    this.all.push(known);
    const remembering: Judge = (value, context) => {
      const before = known.get(value);
      if (before !== undefined) return repeat(before, remembering);
      const isValid = judge(value, context);
      const { errors = null, evaluated } = judge;
      remembering.errors = errors;
      remembering.evaluated = copied(evaluated);
      if (typeof value === 'object' && value !== null) {
        const first = errors?.slice(0, VIOLATIONS_MAX) ?? [];
        known.set(value, { isValid, errors: first, evaluated: copied(evaluated) });
      }
      return isValid;
    };
    return remembering;
  };

  forget(): void {
    for (const known of this.all) known.clear();
  }
}

/** Lists and objects are copied: the code that gets them changes them. */
function repeat({ isValid, errors, evaluated }: Verdict, judge: Judge): boolean {
  judge.errors = isValid ? null : [...errors];
  judge.evaluated = copied(evaluated);
  return isValid;
}

function copied(evaluated: Evaluated): Evaluated {
  if (evaluated === undefined || !(evaluated.dynamicProps || evaluated.dynamicItems)) {
    return evaluated;
  }
  const { props } = evaluated;
  return typeof props === 'object' ? { ...evaluated, props: { ...props } } : { ...evaluated };
}

/**
 * Errors so far and those of a part. Behind the first ones, which alone are told, one of each part
 * is enough to know that it did not fit; the code counts them.
 */
export function joinedErrors(
  all: ErrorObject[] | null,
  more: readonly ErrorObject[],
): ErrorObject[] {
  if (all === null) return more.slice(0, VIOLATIONS_MAX);
  const room = Math.max(1, VIOLATIONS_MAX - all.length);
  for (const error of more.slice(0, room)) all.push(error);
  return all;
}
