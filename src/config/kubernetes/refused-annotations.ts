/**
 * Annotations of ingress-nginx that Sluice does not do, and those that it need not.
 *
 * Thread: any (pure). A list of each, with the reason that the object's owner reads.
 */

const SNIPPET =
  'text of nginx cannot be carried over, and would run with the rights of the gateway';
const CLIENT_CERTIFICATES = 'clients would get in without the certificate that it asks for';
const TARGET_CERTIFICATES = 'targets would be trusted in another way than it says';
const FIREWALL = 'requests would get in that it keeps out';
const COPIES = 'requests are not copied';
const RATE = 'replies are not slowed down';

/** By name, why. Whoever has one of them has no routes. */
export const REFUSED_ANNOTATIONS: ReadonlyMap<string, string> = new Map([
  ['configuration-snippet', SNIPPET],
  ['server-snippet', SNIPPET],
  ['stream-snippet', SNIPPET],
  ['auth-snippet', SNIPPET],
  ['modsecurity-snippet', SNIPPET],
  ['enable-modsecurity', FIREWALL],
  ['enable-owasp-core-rules', FIREWALL],
  ['modsecurity-transaction-id', FIREWALL],
  ['auth-tls-secret', CLIENT_CERTIFICATES],
  ['auth-tls-verify-client', CLIENT_CERTIFICATES],
  ['auth-tls-verify-depth', CLIENT_CERTIFICATES],
  ['auth-tls-error-page', CLIENT_CERTIFICATES],
  ['auth-tls-match-cn', CLIENT_CERTIFICATES],
  ['auth-tls-pass-certificate-to-upstream', CLIENT_CERTIFICATES],
  ['proxy-ssl-secret', TARGET_CERTIFICATES],
  ['proxy-ssl-verify', TARGET_CERTIFICATES],
  ['proxy-ssl-verify-depth', TARGET_CERTIFICATES],
  ['proxy-ssl-name', TARGET_CERTIFICATES],
  ['proxy-ssl-server-name', TARGET_CERTIFICATES],
  ['proxy-ssl-ciphers', TARGET_CERTIFICATES],
  ['proxy-ssl-protocols', TARGET_CERTIFICATES],
  ['ssl-passthrough', 'TLS always ends at the gateway'],
  ['ssl-ciphers', 'ciphers are those of the listener (tls.ciphers)'],
  ['ssl-prefer-server-ciphers', 'ciphers are those of the listener (tls.ciphers)'],
  ['satisfy', 'every rule of a route holds, not only one'],
  ['auth-signin', 'the service behind auth-url answers with the redirect itself'],
  ['auth-signin-redirect-param', 'the service behind auth-url answers with the redirect itself'],
  ['auth-proxy-set-headers', 'fields from a ConfigMap are not read'],
  ['auth-cache-key', 'answers of the service are not kept'],
  ['auth-cache-duration', 'answers of the service are not kept'],
  ['auth-keepalive', 'connections to the service are kept without it'],
  ['auth-request-redirect', 'the service gets the URL of the request'],
  ['auth-always-set-cookie', 'cookies of the service reach clients that it refuses'],
  ['enable-global-auth', 'there is no authentication for all objects that could be left out'],
  ['from-to-www-redirect', 'make an Ingress with permanent-redirect for the other host'],
  ['default-backend', 'pages for errors are those of `errors` in the configuration'],
  ['disable-proxy-intercept-errors', 'leave custom-http-errors out'],
  ['custom-headers', 'fields from a ConfigMap are not read'],
  ['upstream-vhost', 'targets get the Host of the client'],
  ['proxy-redirect-from', 'Location is left as it is'],
  ['proxy-redirect-to', 'Location is left as it is'],
  ['proxy-cookie-domain', 'cookies are left as they are'],
  ['proxy-cookie-path', 'cookies are left as they are'],
  ['mirror-target', COPIES],
  ['mirror-request-body', COPIES],
  ['mirror-host', COPIES],
  ['limit-rate', RATE],
  ['limit-rate-after', RATE],
  ['limit-whitelist', 'a limit counts for everybody'],
  ['limit-allowlist', 'a limit counts for everybody'],
  ['global-rate-limit', 'write a limit with scope: cluster into the configuration'],
  ['global-rate-limit-window', 'write a limit with scope: cluster into the configuration'],
  ['global-rate-limit-key', 'write a limit with scope: cluster into the configuration'],
  ['global-rate-limit-ignored-cidrs', 'write a limit with scope: cluster into the configuration'],
  ['upstream-hash-by-subset', 'targets are not grouped'],
  ['upstream-hash-by-subset-size', 'targets are not grouped'],
  ['affinity-canary-behavior', 'a client stays on its side of a canary'],
  ['session-cookie-domain', 'the cookie is for the host alone'],
  ['secure-backends', 'take backend-protocol: HTTPS'],
  ['http2-push-preload', 'browsers take no pushes any more'],
]);

const STREAMED = 'bodies are streamed, and memory is bounded for all of them together';
const RETRIES = 'Sluice sends again what is safe to send again';
const TRACES = 'traces and logs are configured for the whole gateway';
const COOKIE = 'the cookie is for the whole host, hidden from scripts';
const KEPT = 'connections to targets are kept in any case';

/** By name, why nothing has to be done. */
export const HARMLESS_ANNOTATIONS: ReadonlyMap<string, string> = new Map([
  ['proxy-buffering', STREAMED],
  ['proxy-request-buffering', STREAMED],
  ['proxy-buffers-number', STREAMED],
  ['proxy-buffer-size', 'see replyHeadBytes'],
  ['proxy-busy-buffers-size', STREAMED],
  ['proxy-max-temp-file-size', STREAMED],
  ['client-body-buffer-size', STREAMED],
  ['proxy-send-timeout', 'bodyIdleTimeout of the listener bounds pauses of uploads'],
  ['proxy-next-upstream', RETRIES],
  ['proxy-next-upstream-timeout', RETRIES],
  ['proxy-next-upstream-tries', RETRIES],
  ['proxy-http-version', KEPT],
  ['connection-proxy-header', KEPT],
  ['enable-access-log', TRACES],
  ['enable-rewrite-log', TRACES],
  ['enable-opentracing', TRACES],
  ['enable-opentelemetry', TRACES],
  ['opentelemetry-trust-incoming-span', TRACES],
  ['opentelemetry-operation-name', TRACES],
  ['auth-realm', 'the realm is the name of the gateway'],
  ['affinity-mode', 'a client stays at its target as long as that is there'],
  ['session-cookie-path', COOKIE],
  ['session-cookie-secure', COOKIE],
  ['session-cookie-samesite', COOKIE],
  ['session-cookie-conditional-samesite-none', COOKIE],
  ['session-cookie-expires', 'take session-cookie-max-age'],
  ['session-cookie-change-on-failure', 'a target that fails is left in any case'],
  ['preserve-trailing-slash', 'paths go on as they came'],
  ['websocket-services', 'WebSockets pass without it'],
]);
