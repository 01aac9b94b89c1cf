/**
 * Which addresses may be asked about who calls.
 *
 * Thread: any (pure). Over plain HTTP anybody on the way could answer; on this machine there is
 * nobody on the way.
 */

/** Whether it is an https URL, or http where that is allowed, without user name or fragment. */
export function isSafeUrl(text: string, allowHttp: boolean): boolean {
  return urlProblem(text, allowHttp) === '';
}

/** What is wrong with a URL, or ''. */
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
