/**
 * Keywords of JSON Schema that are judged by code of ours in place of ajv's.
 *
 * Thread: any (pure).
 */
import type { Ajv, CodeKeywordDefinition } from 'ajv';

/** What writes code for ajv; ajv itself is loaded where schemas are compiled only. */
export type CodeWriter = Pick<typeof import('ajv'), '_' | 'str'>;

/** Puts it in the place of ajv's own of this name. */
export function replaceKeyword(
  ajv: Ajv,
  definition: CodeKeywordDefinition & { readonly keyword: string },
): void {
  ajv.removeKeyword(definition.keyword);
  ajv.addKeyword(definition);
}
