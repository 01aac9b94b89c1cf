/**
 * The rules of google.api.http in a set of descriptors: which request of HTTP stands for which
 * method of gRPC.
 *
 *     FileDescriptorSet ─► files ─► services ─► methods ─► options ─► HttpRule (72295728)
 *
 * Thread: any (pure). Reads of the descriptors what routing needs, and nothing of messages: those
 * are the business of transcoder.ts, in the workers that have such routes.
 */

/** A part of the path of a rule that goes into a field of the request's message. */
export interface RuleVariable {
  /** `a.b` is the field b of the field a. */
  readonly field: string;
  /** Fixed texts, and names of parameters of the route's path behind a colon; `*` is the rest. */
  readonly parts: readonly string[];
}

/** One binding: a route of HTTP. */
export interface HttpRule {
  /** Full name of the service. */
  readonly service: string;
  readonly method: string;
  /** Full names of the types of the messages. */
  readonly input: string;
  readonly output: string;
  readonly isStream: boolean;
  readonly httpMethod: string;
  /** As routing/path-pattern.ts has it. */
  readonly path: string;
  readonly variables: readonly RuleVariable[];
  /** Field that the body goes into; `*`: the whole message; '': there is no body. */
  readonly body: string;
  /** Field that is the whole reply; '': the message. */
  readonly responseBody: string;
}

export interface FoundRules {
  readonly rules: readonly HttpRule[];
  readonly mistakes: readonly string[];
}

const HTTP_EXTENSION = 72_295_728;
const RULES_MAX = 5000;
const VERBS: ReadonlyMap<number, string> = new Map([
  [2, 'GET'],
  [3, 'PUT'],
  [4, 'POST'],
  [5, 'DELETE'],
  [6, 'PATCH'],
]);

/** The rules of a service, or of one method of it. Throws where the bytes are no descriptors. */
export function readHttpRules(set: Uint8Array, service: string, method: string): FoundRules {
  const rules: HttpRule[] = [];
  const mistakes: string[] = [];
  let isKnown = false;
  for (const file of messagesAt(set, 1)) {
    const scope = textAt(file, 2);
    for (const one of messagesAt(file, 6)) {
      const name = scope === '' ? textAt(one, 1) : `${scope}.${textAt(one, 1)}`;
      if (name !== service) continue;
      isKnown = true;
      for (const each of messagesAt(one, 2)) {
        if (method !== '' && textAt(each, 1) !== method) continue;
        readMethod(each, name, { rules, mistakes });
      }
    }
  }
  mistakes.push(...missingImports(set));
  if (!isKnown) mistakes.push(`has no service ${service}`);
  else if (rules.length === 0 && mistakes.length === 0) {
    mistakes.push(`has no google.api.http rule for ${method === '' ? service : method}`);
  }
  if (rules.length > RULES_MAX) mistakes.push(`has more than ${RULES_MAX} rules`);
  return { rules, mistakes };
}

/** Without its imports a file says nothing of the messages in it. */
function missingImports(set: Uint8Array): string[] {
  const files = messagesAt(set, 1);
  const names = new Set(files.map((file) => textAt(file, 1)));
  const missing = files.flatMap((file) =>
    messagesAt(file, 3)
      .map((name) => Buffer.from(name).toString('utf8'))
      .filter((name) => !names.has(name))
      .map((name) => `lacks ${name}, which ${textAt(file, 1)} imports: build it with all imports`),
  );
  return [...new Set(missing)];
}

interface Found {
  readonly rules: HttpRule[];
  readonly mistakes: string[];
}

function readMethod(descriptor: Uint8Array, service: string, { rules, mistakes }: Found): void {
  const method = textAt(descriptor, 1);
  const [options] = messagesAt(descriptor, 4);
  const [rule] = options === undefined ? [] : messagesAt(options, HTTP_EXTENSION);
  if (rule === undefined) return;
  if (numberAt(descriptor, 5) !== 0) {
    mistakes.push(`${method}: a stream of requests has no form in HTTP`);
    return;
  }
  const shared = {
    service,
    method,
    input: textAt(descriptor, 2).replace(/^\./, ''),
    output: textAt(descriptor, 3).replace(/^\./, ''),
    isStream: numberAt(descriptor, 6) !== 0,
  };
  for (const one of [rule, ...messagesAt(rule, 11)]) {
    const [httpMethod, template] = bindingOf(one);
    const place = parseTemplate(template);
    if (typeof place === 'string') mistakes.push(`${method}: ${template}: ${place}`);
    else {
      const [body, responseBody] = [textAt(one, 7), textAt(one, 12)];
      rules.push({ ...shared, httpMethod, ...place, body, responseBody });
    }
  }
}

function bindingOf(rule: Uint8Array): readonly [httpMethod: string, template: string] {
  for (const [number, verb] of VERBS) {
    const template = textAt(rule, number);
    if (template !== '') return [verb, template];
  }
  const [custom] = messagesAt(rule, 8);
  return custom === undefined ? ['', ''] : [textAt(custom, 1), textAt(custom, 2)];
}

interface TemplatePlace {
  readonly path: string;
  readonly variables: readonly RuleVariable[];
}

const VERB = /^(.*[^/]):([A-Za-z0-9._~-]+)$/;
const LITERAL = /^[A-Za-z0-9._~!$&'+,;=@-]+$/;
const FIELD_PATH = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;

/** `/v1/{name=shelves/*}/books:list` as the path of a route; a text: what is wrong with it. */
function parseTemplate(template: string): TemplatePlace | string {
  if (!template.startsWith('/')) return 'is no path';
  const outside = template.slice(template.lastIndexOf('}') + 1);
  const [, , verb = ''] = VERB.exec(`x${outside}`) ?? [];
  const whole = verb === '' ? template : template.slice(0, -verb.length - 1);
  const variables: RuleVariable[] = [];
  const segments: string[] = [];
  let count = 0;
  /** Appends segments; returns what stands for them in a variable. */
  const append = (text: string): string[] | null => {
    const parts: string[] = [];
    for (const segment of text.split('/')) {
      if (segments.at(-1) === '*') return null;
      if (segment === '*') {
        segments.push(`:p${count}`);
        parts.push(`:p${count}`);
        count += 1;
      } else if (segment === '**') {
        segments.push('*');
        parts.push('*');
      } else if (LITERAL.test(segment)) {
        segments.push(segment);
        parts.push(segment);
      } else return null;
    }
    return parts;
  };
  for (const piece of whole.slice(1).match(/\{[^}]*\}|[^/{}]+|[{}]/g) ?? []) {
    const isVariable = piece.startsWith('{');
    const [field = '', pattern = '*'] = isVariable ? piece.slice(1, -1).split('=') : ['', piece];
    const parts = append(pattern);
    if (parts === null || (isVariable && !FIELD_PATH.test(field))) return 'cannot be understood';
    if (isVariable) variables.push({ field, parts });
  }
  if (verb !== '' && segments.at(-1) === '*') return 'a verb behind ** is not supported';
  return { path: `/${segments.join('/')}${verb === '' ? '' : `\\:${verb}`}`, variables };
}

// The wire format of Protocol Buffers, as far as descriptors need it.

interface RawField {
  readonly number: number;
  readonly value: number;
  readonly bytes: Uint8Array | null;
}

function messagesAt(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const { number, bytes } of fieldsOf(message)) {
    if (number === wanted && bytes !== null) found.push(bytes);
  }
  return found;
}

function textAt(message: Uint8Array, wanted: number): string {
  return Buffer.from(messagesAt(message, wanted).at(-1) ?? []).toString('utf8');
}

function numberAt(message: Uint8Array, wanted: number): number {
  let found = 0;
  for (const { number, value, bytes } of fieldsOf(message)) {
    if (number === wanted && bytes === null) found = value;
  }
  return found;
}

function* fieldsOf(message: Uint8Array): Generator<RawField> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at];
      if (byte === undefined || scale > 2 ** 63) throw new Error('is no set of descriptors');
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Uint8Array => {
    if (at + length > message.length) throw new Error('is no set of descriptors');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = varint();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    if (type === 0) yield { number, value: varint(), bytes: null };
    else if (type === 2) yield { number, value: 0, bytes: take(varint()) };
    else if (type === 1 || type === 5) take(type === 1 ? 8 : 4);
    else throw new Error('is no set of descriptors');
  }
}
