/**
 * The request body of an operation.
 *
 * Thread: loader.
 */
import { isObject } from '../../base/json-object.js';
import type { CompiledContent, ParameterStyle } from '../../filters/validation/options.js';
import type { JsonObject, Located } from './openapi-document.js';
import { styleOf } from './openapi-parameters.js';
import type { OpenapiPlace } from './openapi-place.js';
import { shapesOf } from './openapi-shapes.js';

/** As filters/collected-body.ts has it, with `*` for a part. */
const JSON_TYPE = /^(?:application\/json|[a-z0-9.+_*-]+\/[a-z0-9._*-]+\+json)$/;
const FORM_TYPE = 'application/x-www-form-urlencoded';

export interface OpenapiBody {
  /** null: the document says nothing about a body. */
  readonly contents: readonly CompiledContent[] | null;
  readonly isRequired: boolean;
  /** For people: `body application/json`. */
  readonly judged: readonly string[];
}

const NO_BODY: OpenapiBody = { contents: null, isRequired: false, judged: [] };

/** Reads `requestBody`. */
export function readBody(from: Located, place: OpenapiPlace): OpenapiBody {
  if (from.value === undefined) return NO_BODY;
  const { at, document, notes } = place;
  const body = document.resolve(from, `${at}/requestBody`, notes);
  const content = body?.value['content'];
  if (body === undefined || !isObject(content) || Object.keys(content).length === 0) {
    notes.unsupported(at, 'the body has no content and is not judged');
    return NO_BODY;
  }
  const judged: string[] = [];
  const contents = Object.entries(content).map(([type, value]): CompiledContent => {
    const mediaType = (type.split(';')[0] ?? '').trim().toLowerCase();
    const isJson = JSON_TYPE.test(mediaType);
    const media = document.resolve({ value, file: body.file }, `${at}/requestBody`, notes);
    const schema = media?.value['schema'];
    if (media === undefined || schema === undefined) return { mediaType, schema: null };
    if (!isJson && mediaType !== FORM_TYPE) {
      notes.unsupported(at, `bodies of ${mediaType} are not looked into`);
      return { mediaType, schema: null };
    }
    judged.push(`body ${mediaType}`);
    const converted = place.schemas.convert({ value: schema, file: media.file }, at, notes);
    if (isJson) return { mediaType, schema: converted };
    return { mediaType, schema: converted, styles: formStyles(media.value, converted, place) };
  });
  // Ranges such as application/* come after the types that they would hide.
  const stars = ({ mediaType }: CompiledContent) => mediaType.split('*').length;
  return {
    contents: [...contents].sort((left, right) => stars(left) - stars(right)),
    isRequired: body.value['required'] === true,
    judged,
  };
}

/** How the members of a form are written, by `encoding`. */
function formStyles(media: JsonObject, schema: unknown, { at, notes }: OpenapiPlace) {
  const styles: ParameterStyle[] = [];
  const encoding = isObject(media['encoding']) ? media['encoding'] : {};
  for (const [name, member] of memberSchemas(schema)) {
    const own = encoding[name];
    const said = isObject(own) ? own : {};
    // An object is written as JSON where nothing else is said.
    const isJson = said['style'] === undefined && shapesOf(member).has('object');
    if (isJson) {
      const written = { name, kind: 'json', style: 'form', isExploded: true } as const;
      styles.push({ ...written, isMixed: false, properties: [], schema: true });
      continue;
    }
    const style = styleOf(said, 'query', member);
    if (typeof style === 'string') notes.unsupported(at, `the member ${name} of a form ${style}`);
    else if (style !== null) styles.push({ ...style, name });
  }
  return styles;
}

/** The members of a form with the definitions that they need. */
function memberSchemas(schema: unknown): (readonly [string, unknown])[] {
  if (!isObject(schema)) return [];
  const { $defs, properties, $ref } = schema;
  const definitions = isObject($defs) ? $defs : {};
  const target =
    typeof $ref === 'string' ? definitions[$ref.slice('#/$defs/'.length)] : { properties };
  const members = isObject(target) && isObject(target['properties']) ? target['properties'] : {};
  return Object.entries(members).map(([name, member]) => {
    return [name, isObject(member) ? { ...member, $defs: definitions } : member] as const;
  });
}
