/**
 * Brings the fields of a stored reply up to date by those of a 304.
 *
 * Thread: any (pure). RFC 9111 sections 3.2 and 4.3.4.
 */
import { entriesOf, type FieldBlock, joinFields, withoutFields } from '../../base/field-block.js';

/** They describe the stored bytes, which stay as they are. */
const OF_THE_BODY = new Set([
  'content-length',
  'content-encoding',
  'content-range',
  'transfer-encoding',
]);

/** Every field that the 304 has takes the place of the stored ones of its name. */
export function updatedFields(stored: FieldBlock, said: FieldBlock): FieldBlock {
  const next = withoutFields(said, OF_THE_BODY);
  const names = new Set<string>();
  for (const [name] of entriesOf(next)) names.add(name.toLowerCase());
  return joinFields(withoutFields(stored, names), next);
}
