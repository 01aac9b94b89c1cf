/**
 * The request body of an operation.
 *
 * Thread: acceptor.
 */
import type { CompiledContent } from '../../filters/validation/options.js';
import { isObject, type OpenapiPlace } from './openapi-document.js';

export interface OpenapiBody {
  /** null: the document says nothing about a body. */
  readonly contents: readonly CompiledContent[] | null;
  readonly isRequired: boolean;
}

/** Reads `requestBody`. */
export function readBody(value: unknown, { at, document, problems }: OpenapiPlace): OpenapiBody {
  if (value === undefined) return { contents: null, isRequired: false };
  const body = document.resolve(value, `${at}/requestBody`, problems);
  const content = body?.['content'];
  if (!isObject(content) || Object.keys(content).length === 0) {
    problems.push(`${at}/requestBody: must have content`);
    return { contents: null, isRequired: false };
  }
  const contents = Object.entries(content).map(([type, media]): CompiledContent => {
    const [mediaType = ''] = type.split(';');
    const schema = isObject(media) ? media['schema'] : undefined;
    return {
      mediaType: mediaType.trim().toLowerCase(),
      schema: schema === undefined ? null : document.schema(schema, at, problems),
    };
  });
  // Ranges such as application/* come after the types that they would hide.
  const stars = ({ mediaType }: CompiledContent) => mediaType.split('*').length;
  return {
    contents: [...contents].sort((left, right) => stars(left) - stars(right)),
    isRequired: body?.['required'] === true,
  };
}
