/**
 * Which URLs the gateway may ask who a caller is.
 *
 * Thread: any (pure). Anybody between the gateway and the service could answer a question over
 * plain HTTP, so plain HTTP is refused beyond this machine.
 */

/**
 * Whether `text` is an https URL without user name and fragment; http passes with `allowHttp`, or
 * to this machine.
 */
export function isSafeUrl(text: string, allowHttp: boolean): boolean {
  return urlProblem(text, allowHttp) === '';
}

/** What is wrong with a URL; '' when nothing is. */
export function urlProblem(text: string, allowHttp: boolean): string {
  if (!URL.canParse(text)) return 'must be a URL (https://host/path)';
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (protocol !== 'https:' && protocol !== 'http:') return 'must begin with https://';
  if (username !== '' || password !== '') return 'must not hold a user name or password';
  if (hash !== '') return 'must not have a fragment';
  if (protocol === 'https:' || allowHttp || isLoopback(hostname)) return '';
  return 'must begin with https:// (http:// beyond this machine needs allowHttp: true)';
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
