/**
 * What replies tell pages that no route has a hand in: refusals from before the route.
 *
 * Thread: any (pure). Used by the workers and the acceptor.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../base/field-block.js';
import { type CompiledCors, EVERY_FIELD } from './options.js';
import { originTest } from './origin-test.js';

/** Makes the fields of replies that no route has anything to do with. */
export type CorsOfRefusals = (origin: string) => FieldBlock;

/** What a refusal tells the page that asked, of this origin ('': no page asked). */
export function corsOfRefusals(options: CompiledCors): CorsOfRefusals {
  const isAllowed = originTest(options.origins);
  const isForAll = options.origins.includes('*');
  const vary = isForAll ? NO_FIELDS : field('Vary', 'Origin');
  const rest = options.credentials
    ? joinFields(field('Access-Control-Allow-Credentials', 'true'), vary)
    : vary;
  const exposed = options.exposeHeaders.filter(
    (name) => name !== EVERY_FIELD || !options.credentials,
  );
  const told =
    exposed.length === 0
      ? rest
      : joinFields(field('Access-Control-Expose-Headers', exposed.join(', ')), rest);
  return (origin) => {
    if (origin === '' || !isAllowed(origin)) return vary;
    return joinFields(field('Access-Control-Allow-Origin', isForAll ? '*' : origin), told);
  };
}
