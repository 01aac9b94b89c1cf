/**
 * Puts each browser on one side of a test, and keeps it there by a cookie. The target gets the side
 * in a field. Sides are given in turn over all workers, by a count in the store.
 */
import { definePlugin } from 'sluice';

export default definePlugin({
  name: 'ab-test',
  counters: ['a', 'b'],
  options: {
    type: 'object',
    properties: {
      cookie: { type: 'string', pattern: '^[A-Za-z0-9_-]+$', default: 'side' },
      header: { type: 'string', default: 'x-side' },
    },
    additionalProperties: false,
  },
  setup({ cookie, header }, context) {
    return {
      async onRequest(request) {
        let side = request.cookie(cookie);
        if (side !== 'a' && side !== 'b') {
          side = (await context.store.increment('visitors')) % 2 === 1 ? 'a' : 'b';
          request.state.set('ab-test', side);
        }
        context.count(side);
        request.log('side', side);
        request.setHeader(header, side);
      },
      onReply(reply, request) {
        const side = request.state.get('ab-test');
        if (side === undefined) return;
        reply.appendHeader(
          'set-cookie',
          `${cookie}=${side}; Path=/; Max-Age=2592000; SameSite=Lax`,
        );
      },
    };
  },
});
