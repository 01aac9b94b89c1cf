/**
 * Signs requests to a target, so that it knows that they came through the gateway: HMAC-SHA256 over
 * method, path with query, and time.
 */
import { createHmac } from 'node:crypto';
import { definePlugin } from 'sluice';

export default definePlugin({
  name: 'sign-requests',
  options: {
    type: 'object',
    properties: {
      secret: { type: 'string', minLength: 32 },
      header: { type: 'string', default: 'x-gateway-signature' },
    },
    required: ['secret'],
    additionalProperties: false,
  },
  setup({ secret, header }) {
    return {
      onRequest(request) {
        const seconds = Math.floor(Date.now() / 1000);
        const text = `${request.method}\n${request.target}\n${seconds}`;
        const signature = createHmac('sha256', secret).update(text).digest('hex');
        request.setHeader(header, `t=${seconds},v1=${signature}`);
      },
    };
  },
});
