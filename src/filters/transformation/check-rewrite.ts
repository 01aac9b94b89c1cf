/**
 * Checks what a route changes in requests and replies.
 *
 * Thread: any (pure). A part of options.ts.
 */
import { pointerOf } from '../../base/json-pointer.js';
import { RESERVED_FIELDS, RESERVED_IN_REPLIES } from '../../base/reserved-fields.js';
import { stripPrefixProblem } from '../../routing/path-pattern.js';
import type { Findings, SoundPart } from '../../schema/finding.js';
import { checkTemplate, type TemplateContext } from '../check-template.js';
import type { CheckPlace } from '../filter-options.js';
import { EVERY, isWithin, parsePointer } from './body-pointer.js';
import type {
  RewriteBodyConfig,
  RewriteConfig,
  RewriteCookiesConfig,
  RewriteFieldsConfig,
  RewriteReplyConfig,
} from './rewrite-keys.js';

/** Checks `rewrite` of the route at `place`. */
export function checkRewrite(rewrite: SoundPart<RewriteConfig>, place: CheckPlace): void {
  const at = `${place.pointer}/rewrite`;
  checkStripPrefix(rewrite.stripPrefix, `${at}/stripPrefix`, place);
  checkPaths(rewrite, at, place);
  checkHeaders(rewrite.headers ?? {}, `${at}/headers`, { ...place, reserved: RESERVED_FIELDS });
  checkFields(rewrite.query ?? {}, `${at}/query`, place);
  checkBody(rewrite.body ?? {}, `${at}/body`, place);
  checkType(rewrite, at, place.findings);
}

/** Checks `rewriteReply` of the route at `place`. */
export function checkRewriteReply(reply: SoundPart<RewriteReplyConfig>, place: CheckPlace): void {
  const at = `${place.pointer}/rewriteReply`;
  checkPrefixes(reply.location ?? {}, `${at}/location`, place.findings);
  checkCookies(reply.cookies ?? {}, `${at}/cookies`, place.findings);
  checkHeaders(reply.headers ?? {}, `${at}/headers`, { ...place, reserved: RESERVED_IN_REPLIES });
  checkBody(reply.body ?? {}, `${at}/body`, place);
  checkType(reply, at, place.findings);
}

/** What the body becomes has one type. */
function checkType(
  { headers = {}, body = {} }: SoundPart<Pick<RewriteConfig, 'headers' | 'body'>>,
  pointer: string,
  findings: Findings,
): void {
  const { from = 'json', to = 'json' } = body;
  if (from === to) return;
  const { set = {}, add = {}, remove = [], rename = {} } = headers;
  const names = [set, add, rename].flatMap((one) => Object.keys(one));
  const all = [...names, ...remove, ...Object.values(rename)];
  if (!all.some((name) => name?.toLowerCase() === 'content-type')) return;
  findings.addKey(`${pointer}/body/to`, 'says what Content-Type is: headers must not change it');
}

/** A slash that one has and the other has not would be missing, or be there twice. */
function checkPrefixes(
  prefixes: Readonly<Record<string, string | undefined>>,
  pointer: string,
  findings: Findings,
): void {
  for (const [from, to] of Object.entries(prefixes)) {
    if (to === undefined || from.endsWith('/') === to.endsWith('/')) continue;
    const at = `${pointer}${pointerOf(from)}`;
    findings.addValue(at, 'both prefixes have to end with "/", or neither of them');
  }
}

function checkCookies(
  { domain = {}, path = {}, secure, sameSite }: SoundPart<RewriteCookiesConfig>,
  pointer: string,
  findings: Findings,
): void {
  checkPrefixes(path, `${pointer}/path`, findings);
  if (sameSite === 'none' && secure !== true) {
    const message = 'browsers refuse such cookies without Secure: set secure to true as well';
    findings.addValue(`${pointer}/sameSite`, message);
  }
  const known = new Set<string>();
  for (const name of Object.keys(domain)) {
    const key = name.toLowerCase().replace(/^\./, '');
    const at = `${pointer}/domain${pointerOf(name)}`;
    if (known.has(key)) findings.addKey(at, `the domain ${key} is named twice`);
    known.add(key);
  }
}

function checkStripPrefix(
  prefix: string | undefined,
  at: string,
  { segments, findings }: CheckPlace,
): void {
  if (prefix === undefined || segments === undefined) return;
  const problem = stripPrefixProblem(prefix, segments);
  if (problem !== undefined) findings.addValue(at, `${findings.quote(at, prefix)} ${problem}`);
}

/** As a template names it. */
const REQUEST_QUERY = '${request.query}';

function checkPaths(
  { stripPrefix, addPrefix, path }: SoundPart<RewriteConfig>,
  pointer: string,
  { names, findings }: TemplateContext,
): void {
  if (addPrefix !== undefined && !/^(\/[A-Za-z0-9._~!$&'()*+,=:@%-]+)+$/.test(addPrefix)) {
    findings.addValue(`${pointer}/addPrefix`, 'must be a path without "/" at its end');
  }
  if (path === undefined) return;
  const at = `${pointer}/path`;
  if (!checkTemplate(path, at, { names, findings })) return;
  for (const [key, value] of Object.entries({ stripPrefix, addPrefix })) {
    if (value !== undefined) findings.addKey(`${pointer}/${key}`, 'path replaces the whole path');
  }
  const plain = path.replace(/\$\{[^}]*\}/g, 'x');
  if (!/^\/[A-Za-z0-9._~!$&'()*+,=:@%/-]*$/.test(plain) || plain.includes('//')) {
    findings.addValue(at, 'must be a path that begins with "/", without "?", "#" and "//"');
  } else if (path.includes(REQUEST_QUERY)) {
    findings.addValue(at, 'the query is kept as it is; change it with rewrite.query');
  }
}

interface HeaderContext extends TemplateContext {
  readonly reserved: ReadonlySet<string>;
}

function checkHeaders(
  fields: SoundPart<RewriteFieldsConfig>,
  pointer: string,
  context: HeaderContext,
): void {
  const { findings, reserved } = context;
  checkFields(fields, pointer, context, (name) => name.toLowerCase());
  const sayReserved = (name: string | undefined, at: string, part: 'key' | 'value'): void => {
    const lower = name?.toLowerCase() ?? '';
    if (!reserved.has(lower)) return;
    const message = `the gateway itself is in charge of the field ${lower}`;
    if (part === 'key') findings.addKey(at, message);
    else findings.addValue(at, message);
  };
  for (const kind of ['set', 'add', 'rename'] as const) {
    for (const [name, value] of Object.entries(fields[kind] ?? {})) {
      const at = `${pointer}${pointerOf(kind, name)}`;
      sayReserved(name, at, 'key');
      if (kind === 'rename') sayReserved(value, at, 'value');
    }
  }
  for (const [index, name] of (fields.remove ?? []).entries()) {
    sayReserved(name, `${pointer}/remove/${index}`, 'value');
  }
}

/** Names that are changed twice, and templates. */
function checkFields(
  fields: SoundPart<RewriteFieldsConfig>,
  pointer: string,
  { names, findings }: TemplateContext,
  toName: (name: string) => string = (name) => name,
): void {
  const setNames = new Set<string>();
  for (const kind of ['set', 'add'] as const) {
    for (const [name, text] of Object.entries(fields[kind] ?? {})) {
      const at = `${pointer}${pointerOf(kind, name)}`;
      checkTemplate(text, at, { names, findings });
      const known = toName(name);
      if (setNames.has(known)) findings.addKey(at, `the field ${known} is set twice`);
      setNames.add(known);
    }
  }
  const gone = new Set<string>();
  for (const [index, name] of (fields.remove ?? []).entries()) {
    if (name === undefined) continue;
    const at = `${pointer}${pointerOf('remove', index)}`;
    const known = toName(name);
    if (setNames.has(known)) findings.addValue(at, `the field ${known} is also in set`);
    if (gone.has(known)) findings.addValue(at, `the field ${known} is removed twice`);
    gone.add(known);
  }
  for (const name of Object.keys(fields.rename ?? {})) {
    const known = toName(name);
    const isTwice = gone.has(known) || setNames.has(known);
    const at = `${pointer}${pointerOf('rename', name)}`;
    if (isTwice) findings.addKey(at, `the field ${known} is changed twice`);
  }
}

function checkBody(
  body: SoundPart<RewriteBodyConfig>,
  pointer: string,
  context: TemplateContext,
): void {
  const { findings } = context;
  const { set = {}, remove = [], rename = {} } = body;
  checkDocument(body, pointer, context);
  for (const [key, value] of Object.entries(set)) {
    const at = `${pointer}${pointerOf('set', key)}`;
    checkPointer(key, at, findings);
    checkValue(value, at, context);
  }
  const gone: Gone[] = [];
  for (const [from, to] of Object.entries(rename)) {
    const at = `${pointer}${pointerOf('rename', from)}`;
    const oldKeys = checkSource(from, at, gone, findings);
    const newKeys = checkPointer(to, at, findings);
    if (oldKeys === undefined || newKeys === undefined) continue;
    checkStars(oldKeys, newKeys, at, findings);
    // What is moved to a place is there to be moved on or removed.
    for (const { keys } of [...gone]) {
      if (isWithin(newKeys, keys) || isWithin(keys, newKeys)) drop(gone, keys);
    }
    gone.push({ keys: oldKeys, text: from, how: 'is moved' });
  }
  for (const [index, key] of remove.entries()) {
    const keys = checkSource(key, `${pointer}/remove/${index}`, gone, findings);
    if (keys !== undefined) gone.push({ keys, text: key ?? '', how: 'is removed' });
  }
}

/** The template, and whether a form can be made of it. */
function checkDocument(
  body: SoundPart<RewriteBodyConfig>,
  pointer: string,
  context: TemplateContext,
): void {
  const { template, to } = body;
  if (template === undefined) return;
  const { findings } = context;
  for (const key of ['set', 'remove', 'rename'] as const) {
    if (body[key] === undefined) continue;
    findings.addKey(`${pointer}/${key}`, 'template makes the whole document: write it there');
  }
  const at = `${pointer}/template`;
  checkValue(template, at, { ...context, hasBody: true });
  if (to !== 'form' || typeof template === 'string') return;
  if (Array.isArray(template)) findings.addValue(at, 'a form is made of an object');
  for (const [name, value] of Object.entries(template)) {
    const isFlat = [value].flat().every((one) => typeof one !== 'object' || one === null);
    if (!isFlat) findings.addValue(at + pointerOf(name), 'a form is flat: write texts and lists');
  }
}

/** A place where nothing is left for later changes. */
interface Gone {
  readonly keys: readonly string[];
  readonly text: string;
  readonly how: string;
}

function drop(gone: Gone[], keys: readonly string[]): void {
  const at = gone.findIndex((one) => one.keys === keys);
  if (at !== -1) gone.splice(at, 1);
}

/** A pointer to something that has to be there: tells those that can never lead to anything. */
function checkSource(
  pointer: string | undefined,
  at: string,
  gone: readonly Gone[],
  findings: Findings,
): readonly string[] | undefined {
  const keys = checkPointer(pointer, at, findings);
  if (pointer === undefined || keys === undefined) return undefined;
  const shown = JSON.stringify(pointer);
  const outer = gone.find((one) => isWithin(keys, one.keys));
  if (keys.includes('-')) {
    findings.addKey(at, `${shown} can never match: "-" is the place after the last item`);
  } else if (outer !== undefined) {
    findings.addKey(at, `${shown} can never match: ${outer.text} ${outer.how} before`);
  }
  return keys;
}

/** A member is moved within the item that it stands in. */
function checkStars(
  from: readonly string[],
  to: readonly string[],
  at: string,
  findings: Findings,
): void {
  const shared = Math.max(from.lastIndexOf(EVERY), to.lastIndexOf(EVERY)) + 1;
  const isSame = from.slice(0, shared).join('/') === to.slice(0, shared).join('/');
  if (isSame && from.length > shared && to.length > shared) return;
  findings.addKey(
    at,
    'both pointers must be the same as far as their last "*", and go on after it',
  );
}

function checkPointer(
  pointer: string | undefined,
  at: string,
  findings: Findings,
): readonly string[] | undefined {
  if (pointer === undefined) return undefined;
  const keys = parsePointer(pointer);
  if (typeof keys !== 'string') return keys;
  findings.addKey(at, `${JSON.stringify(pointer)} ${keys}`);
  return undefined;
}

/** Strings at any depth may hold values of the request. */
function checkValue(value: unknown, pointer: string, context: TemplateContext): void {
  if (typeof value === 'string') checkTemplate(value, pointer, context);
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    checkValue(item, pointer + pointerOf(key), context);
  }
}
