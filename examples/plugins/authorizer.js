/**
 * Asks a service of your own who calls, and remembers its answers for a while. The service gets the
 * Authorization field, and answers 200 with `{ "user": "…" }`, or 401, or 403.
 */
import { createHash } from 'node:crypto';
import { definePlugin } from 'sluice';

const REMEMBERED_MAX = 10_000;

export default definePlugin({
  name: 'authorizer',
  counters: ['asked', 'remembered'],
  options: {
    type: 'object',
    properties: {
      url: { type: 'string', format: 'uri' },
      rememberMs: { type: 'integer', minimum: 0, maximum: 3_600_000, default: 30_000 },
    },
    required: ['url'],
    additionalProperties: false,
  },
  setup({ url, rememberMs }, context) {
    /** By the hash of the credentials: secrets are not kept. The oldest goes first. */
    const remembered = new Map();

    async function ask(authorization) {
      context.count('asked');
      const reply = await context.fetch(url, { headers: { authorization }, timeout: 2000 });
      if (reply.status === 200) return { consumer: reply.json().user };
      if (reply.status === 401) return { refuse: 'the service does not know them' };
      if (reply.status === 403) return { deny: 'The service does not allow it.' };
      throw new Error(`the service answered ${reply.status}`);
    }

    return {
      async authenticate(request) {
        const authorization = request.header('authorization');
        if (authorization === '') return undefined;
        const key = createHash('sha256').update(authorization).digest('base64');
        const known = remembered.get(key);
        if (known !== undefined && known.endsMs > Date.now()) {
          context.count('remembered');
          return known.answer;
        }
        const answer = await ask(authorization);
        remembered.delete(key);
        remembered.set(key, { answer, endsMs: Date.now() + rememberMs });
        if (remembered.size > REMEMBERED_MAX) remembered.delete(remembered.keys().next().value);
        return answer;
      },
    };
  },
});
