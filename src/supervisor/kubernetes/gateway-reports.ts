/**
 * Tells the operator what is wrong with objects of the Gateway API: once in the log, and on pages.
 *
 * Thread: supervisor (on the main thread). Owns what was told last.
 */
import type { GatewayApiStatus } from '../../base/cluster-status.js';
import { type KubeJson, listAt, textAt } from '../../config/kubernetes/kube-json.js';
import type { ObjectStatus } from '../../config/kubernetes-settings.js';
import type { FollowerLog } from '../sources/release-follower.js';

const SHOWN_MAX = 100;
const KINDS = {
  gatewayclasses: 'GatewayClass',
  gateways: 'Gateway',
  httproutes: 'HTTPRoute',
} as const;
/** Of these `True` says that something is wrong. */
const BAD_WHEN_TRUE = ['Conflicted', 'PartiallyInvalid'];

export class GatewayReports {
  private statuses: readonly ObjectStatus[] = [];
  private told = new Map<string, string>();

  /** Each once, until something else is to be said of the object. */
  tell(statuses: readonly ObjectStatus[], log: FollowerLog): void {
    // HTTPRoutes of others are nobody's business.
    this.statuses = statuses.filter(({ status }) => !isOfOthers(status));
    const told = new Map<string, string>();
    for (const { name, problems } of troubledOf(this.statuses)) {
      const text = JSON.stringify(problems);
      told.set(name, text);
      if (this.told.get(name) === text) continue;
      log(
        'warn',
        { object: name, problems },
        'an object of the Gateway API is not served as it is',
      );
    }
    this.told = told;
  }

  status(): GatewayApiStatus {
    const troubled = troubledOf(this.statuses);
    return {
      objects: this.statuses.length,
      sound: this.statuses.length - troubled.length,
      troubled: troubled.slice(0, SHOWN_MAX),
    };
  }
}

function isOfOthers(status: KubeJson): boolean {
  return status['parents'] !== undefined && listAt(status, 'parents').length === 0;
}

function troubledOf(statuses: readonly ObjectStatus[]): GatewayApiStatus['troubled'] {
  return statuses.flatMap(({ kind, namespace, name, status }) => {
    const parts = [status, ...listAt(status, 'listeners'), ...listAt(status, 'parents')];
    const problems = [...new Set(parts.flatMap(problemsOf))];
    const place = namespace === '' ? name : `${namespace}/${name}`;
    return problems.length === 0 ? [] : [{ name: `${KINDS[kind]} ${place}`, problems }];
  });
}

/** What conditions say. */
function problemsOf(part: KubeJson): string[] {
  const where = textAt(part, 'name');
  return listAt(part, 'conditions').flatMap((condition) => {
    const [type, status] = [textAt(condition, 'type'), textAt(condition, 'status')];
    if (status !== (BAD_WHEN_TRUE.includes(type) ? 'True' : 'False')) return [];
    const text = `${textAt(condition, 'reason')}: ${textAt(condition, 'message')}`;
    return [where === '' ? text : `${where}: ${text}`];
  });
}
