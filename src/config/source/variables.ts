/**
 * Puts environment variables into the scalars of a configuration: `${NAME}`, `${NAME:-default}`.
 *
 * Thread: any (pure). Runs after parsing, on one scalar at a time, so that what a variable holds
 * can never become structure. `$${` stands for the characters `${`. What names a value of a request
 * (`${claims.sub}`) is left for the filters.
 */
import { isTemplateSource } from '../../base/template-text.js';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const DEFAULT_MARK = ':-';

/** Values by variable name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A scalar after substitution. */
export interface Substitution {
  readonly text: string;
  /** Name of the first variable in it; undefined when there is none. */
  readonly variable: string | undefined;
  /** The scalar was one variable and nothing else, so its type is still open. */
  readonly isWhole: boolean;
  /** What is wrong with it. */
  readonly problems: readonly string[];
}

/** Replaces every variable in one scalar. */
export function substituteVariables(scalar: string, environment: Environment): Substitution {
  let text = '';
  let variable: string | undefined;
  let isWhole = false;
  const problems: string[] = [];
  let index = 0;
  while (index < scalar.length) {
    const start = scalar.indexOf('${', index);
    if (start === -1) break;
    // The dollar before it makes it plain characters.
    if (start > index && scalar[start - 1] === '$') {
      text += `${scalar.slice(index, start - 1)}\${`;
      index = start + 2;
      continue;
    }
    const end = scalar.indexOf('}', start);
    if (end === -1) {
      problems.push(`"\${" begins a variable that has no "}"; write "$\${" for the characters`);
      break;
    }
    const expression = scalar.slice(start + 2, end);
    if (isTemplateSource(expression)) {
      text += scalar.slice(index, end + 1);
      index = end + 1;
      continue;
    }
    const resolved = resolveVariable(expression, environment);
    if (resolved.problem !== undefined) problems.push(resolved.problem);
    text += scalar.slice(index, start) + resolved.text;
    variable ??= resolved.name;
    isWhole = start === 0 && end === scalar.length - 1;
    index = end + 1;
  }
  return { text: text + scalar.slice(index), variable, isWhole, problems };
}

interface ResolvedVariable {
  readonly name: string;
  readonly text: string;
  readonly problem: string | undefined;
}

function resolveVariable(expression: string, environment: Environment): ResolvedVariable {
  const mark = expression.indexOf(DEFAULT_MARK);
  const name = mark === -1 ? expression : expression.slice(0, mark);
  if (!NAME.test(name)) {
    const problem =
      `a variable is written \${NAME} or \${NAME:-default}, its name of letters, digits and "_"; ` +
      `write "$\${" for the characters "\${"`;
    return { name: '', text: '', problem };
  }
  // The first "}" ends a variable: what follows would stay, whatever the variable holds.
  if (expression.includes('{')) {
    const problem =
      `the default of \${${name}} must not hold "{": variables and braces in it are not ` +
      'supported; set the variable';
    return { name, text: '', problem };
  }
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
  // As in a shell: the default also stands in for an empty value.
  if (mark !== -1) {
    const fallback = expression.slice(mark + DEFAULT_MARK.length);
    return {
      name,
      text: value === undefined || value === '' ? fallback : value,
      problem: undefined,
    };
  }
  if (value !== undefined) return { name, text: value, problem: undefined };
  const problem = `the environment variable ${name} is not set and has no default`;
  return { name, text: '', problem };
}
