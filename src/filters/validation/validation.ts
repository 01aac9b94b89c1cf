/**
 * Lets in only requests that fit their schemas.
 *
 * Thread: worker. Where the body is validated too, all is judged once it is there, so that one
 * answer names every violation; its media type is judged before, and nothing is read of a wrong
 * one.
 */
import { defined } from '../../base/assert.js';
import { childPointer } from '../../base/json-pointer.js';
import { PROBLEMS } from '../../base/problems.js';
import { type CollectedBody, type ParsedJson, parseContentType } from '../collected-body.js';
import { codingOf } from '../content-codings.js';
import type { BodyStep, EditStep, FilterSteps, RequestView } from '../filter.js';
import { tooMany } from '../json-scan.js';
import { type LocalReply, refusal } from '../local-reply.js';
import {
  isFormType,
  type ParameterPart,
  type SharedContent,
  type SharedStyle,
  type SharedValidation,
} from './options.js';
import { NoJson } from './parameter-styles.js';
import {
  type ParameterReader,
  readCookies,
  readFields,
  readParams,
  readQuery,
} from './parameters.js';
import type { SchemaJudge, SchemaJudges } from './schema-code.js';
import { VIOLATIONS_MAX, type Violation, violationsOf } from './violations.js';

export interface ValidationSteps {
  readonly head: EditStep;
  /** null: bodies are not looked into. */
  readonly body: BodyStep | null;
  /** Whether the body of this request has a type that is looked into. */
  needsBody(request: RequestView): boolean;
}

/** The steps of one route. */
export function validationSteps(
  options: SharedValidation,
  _unixMs: () => number,
  judges: SchemaJudges,
): FilterSteps<'edit' | 'requestBody'> {
  const { head, body, needsBody } = createValidation(options, judges);
  if (body === null) return { edit: head, requestBody: null };
  const { maxBodyBytes: maxBytes, maxDepth, maxMembers } = options;
  const limits = { maxDepth, maxMembers };
  return { edit: head, requestBody: { maxBytes, limits, step: body, isNeeded: needsBody } };
}

export function createValidation(options: SharedValidation, judges: SchemaJudges): ValidationSteps {
  const headCheck = compileHead(options, judges);
  const contents = options.contents?.map((content) => new Content(content, judges)) ?? null;
  const isLookedInto = contents?.some((content) => content.isValidated) ?? false;
  const needsBody = (request: RequestView): boolean =>
    isLookedInto && (contentOf(request, contents ?? [])?.isValidated ?? false);
  const head: EditStep = (request) => {
    const hasBody = request.bodyBytes !== 0;
    if (hasBody && contents !== null) {
      const refused = refuseType(request, contents);
      if (refused !== null) return refused;
      if (needsBody(request)) return null;
    }
    const violations = headCheck(request);
    if (!hasBody && isBodyMissing(request, options)) violations.push(NO_BODY);
    return reply(violations);
  };
  if (contents === null || !isLookedInto) return { head, body: null, needsBody };
  const body: BodyStep = (collected, request) => {
    const violations = headCheck(request);
    if (!collected.isEmpty) {
      const content = contentOf(request, contents);
      violations.push(...(content?.check(collected, options.maxMembers) ?? []));
    } else if (isBodyMissing(request, options)) violations.push(NO_BODY);
    return reply(violations);
  };
  return { head, body, needsBody };
}

const NO_BODY: Violation = {
  in: 'body',
  pointer: '',
  rule: 'required',
  detail: 'there must be a body',
};

/** GET and HEAD cannot bring one: the schema of the body is for the other methods of the route. */
function isBodyMissing({ method }: RequestView, { isBodyRequired }: SharedValidation): boolean {
  return isBodyRequired && method !== 'GET' && method !== 'HEAD';
}

function reply(violations: readonly Violation[]): LocalReply | null {
  if (violations.length === 0) return null;
  const detail = 'The request does not fit what this route takes: see violations.';
  const members = { violations: violations.slice(0, VIOLATIONS_MAX) };
  return refusal(PROBLEMS.validationFailed, detail, { members });
}

type HeadCheck = (request: RequestView) => Violation[];

function compileHead(options: SharedValidation, judges: SchemaJudges): HeadCheck {
  const checks: HeadCheck[] = [];
  const { styles = {} } = options;
  const add = (part: ParameterPart, read: ParameterReader): void => {
    const place = options[part];
    if (place === undefined) return;
    const judge = judges.at(place);
    const jsonJudges = judgesOfJson(styles[part] ?? [], judges);
    checks.push((request) => {
      const values = read(request);
      if (values === null) return [{ in: part, pointer: '', ...BROKEN_ESCAPE }];
      const ofJson = jsonJudges.flatMap((one) => one(part, values));
      return [...ofJson, ...violationsOf(part, judge.errorsOf(values))];
    });
  };
  add('params', (request) => readParams(request, styles.params));
  add('query', ({ query }) => readQuery(query.slice(1), styles.query));
  add('headers', (request) => readFields(request, styles.headers));
  add('cookies', (request) => readCookies(request, styles.cookies));
  return (request) => checks.flatMap((check) => check(request));
}

type JsonCheck = (part: Violation['in'], values: Record<string, unknown>) => Violation[];

/** JSON inside of parameters keeps its types: no text in it stands for a number. */
function judgesOfJson(styles: readonly SharedStyle[], judges: SchemaJudges): JsonCheck[] {
  return styles
    .filter(({ schema }) => schema !== undefined)
    .map(({ name, schema }) => {
      const judge = judges.at(defined(schema, 'the schema of JSON'));
      return (part, values) => {
        if (!Object.hasOwn(values, name)) return [];
        const value = values[name];
        const pointer = childPointer('', name);
        if (value instanceof NoJson) return [{ in: part, pointer, ...NO_JSON }];
        return violationsOf(part, judge.errorsOf(value)).map((violation) => {
          return { ...violation, pointer: pointer + violation.pointer };
        });
      };
    });
}

const NO_JSON = { rule: 'json', detail: 'is not JSON' };
const BROKEN_ESCAPE = { rule: 'encoding', detail: 'holds an escape that is no UTF-8' };

/** Bodies of one media type. */
class Content {
  readonly isValidated: boolean;
  private readonly isForm: boolean;
  private readonly pattern: RegExp;
  private readonly judge: SchemaJudge | null;
  private readonly styles: readonly SharedStyle[];
  private readonly jsonChecks: readonly JsonCheck[];

  constructor({ mediaType, schema, styles = [] }: SharedContent, judges: SchemaJudges) {
    this.styles = styles;
    this.jsonChecks = judgesOfJson(styles, judges);
    this.pattern = patternOf(mediaType);
    this.isForm = isFormType(mediaType);
    this.isValidated = schema !== null;
    this.judge = schema === null ? null : judges.at(schema);
  }

  takes(mediaType: string): boolean {
    return this.pattern.test(mediaType);
  }

  /** `maxMembers`: of a form; JSON is bounded as it is read. */
  check(body: CollectedBody, maxMembers: number): readonly Violation[] {
    if (this.judge === null) return [];
    const parsed = this.isForm ? readForm(body, this.styles, maxMembers) : body.json();
    if (!parsed.isValid) return [{ in: 'body', pointer: '', ...parsed.problem }];
    const errors = violationsOf('body', this.judge.errorsOf(parsed.value));
    if (this.jsonChecks.length === 0) return errors;
    const members = parsed.value as Record<string, unknown>;
    return [...this.jsonChecks.flatMap((one) => one('body', members)), ...errors];
  }
}

function readForm(
  body: CollectedBody,
  styles: readonly SharedStyle[],
  maxMembers: number,
): ParsedJson {
  const text = body.text() ?? '%';
  if (hasMorePairs(text, maxMembers)) return { isValid: false, problem: tooMany(maxMembers) };
  const value = readQuery(text, styles);
  if (value !== null) return { isValid: true, value };
  return { isValid: false, problem: { rule: 'encoding', detail: BROKEN_ESCAPE.detail } };
}

/** Before any of them costs anything. */
function hasMorePairs(form: string, max: number): boolean {
  let count = 1;
  for (let at = form.indexOf('&'); at !== -1 && count <= max; at = form.indexOf('&', at + 1)) {
    count += 1;
  }
  return count > max;
}

function patternOf(mediaType: string): RegExp {
  const plain = mediaType.toLowerCase().replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${plain.replaceAll('*', '[a-z0-9!#$&^_.+-]+')}$`);
}

function refuseType({ fields }: RequestView, contents: readonly Content[]): LocalReply | null {
  const types = fields.values('content-type');
  const { mediaType, charset } = parseContentType(types[0] ?? '');
  const content = types.length === 1 ? contents.find((one) => one.takes(mediaType)) : undefined;
  if (content === undefined) return WRONG_TYPE;
  if (!content.isValidated) return null;
  // Bytes that are not what they seem cannot be judged.
  const isReadable = codingOf(fields.values('content-encoding')) !== 'unknown';
  return isReadable && (charset === '' || charset === 'utf-8') ? null : WRONG_CODING;
}

const WRONG_TYPE = refusal(
  PROBLEMS.unsupportedMediaType,
  'This route does not take bodies of this Content-Type.',
);
const WRONG_CODING = refusal(
  PROBLEMS.unsupportedMediaType,
  'This route takes bodies in UTF-8 only, and no Content-Encoding that the gateway cannot read.',
);

function contentOf({ fields }: RequestView, contents: readonly Content[]): Content | undefined {
  const { mediaType } = parseContentType(fields.value('content-type'));
  return contents.find((one) => one.takes(mediaType));
}
