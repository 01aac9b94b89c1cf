/**
 * Follows the objects of a cluster: what they say becomes routes by a reload like any other, and
 * every verdict is told in the log, on pages and in the cluster.
 *
 *     watch ─► objects (another version) ─► reload ─► report ─► status, events, certificates
 *
 * Thread: supervisor (on the main thread). Owns what is known of the cluster. Routes are made by
 * the loader (config/kubernetes/), which is given the objects; here nothing grows with their number
 * but the copy that it gets.
 *
 * Invariants: what cannot be read changes nothing. An object that is refused keeps the version that
 * was used before, as long as the process lives. The last copy is on disk before anything else is
 * done with it, without secrets.
 */
import { createHash } from 'node:crypto';
import type { Clock, Random, Timer } from '../../base/clock.js';
import type { ClusterStatus } from '../../base/cluster-status.js';
import { gatewaySecrets } from '../../config/kubernetes/gateway-listeners.js';
import { ANNOTATION_PREFIX } from '../../config/kubernetes/ingress-object.js';
import { secretsOf } from '../../config/kubernetes/ingress-set.js';
import { type KubeJson, recordAt, textAt } from '../../config/kubernetes/kube-json.js';
import type {
  ClusterObjects,
  CompiledKubernetes,
  GatewayObjects,
  IngressOutcome,
  IngressReport,
} from '../../config/kubernetes-settings.js';
import type { ClusterView } from '../../config/source/config-source.js';
import type { LoadedPair } from '../certificates/listener-files.js';
import type { KubeAccess } from '../discovery/kube-access.js';
import type { ReloadResult } from '../reloader.js';
import type { LastGoodCopy } from '../sources/last-good-copy.js';
import type { FollowerLog } from '../sources/release-follower.js';
import { sha256Of } from '../sources/release-layout.js';
import { ClusterWatch } from './cluster-watch.js';
import { ClusterWriter } from './cluster-writer.js';
import { GatewayReports } from './gateway-reports.js';
import { GatewayStatusWriter } from './gateway-status-writer.js';
import { SecretPairs } from './secret-pairs.js';
import { ABSENT } from './watched-kinds.js';

export interface ClusterFollowerParts {
  readonly settings: CompiledKubernetes;
  readonly clock: Clock;
  readonly random: Random;
  access(): Promise<KubeAccess>;
  /** null: there is no folder for it. */
  readonly copy: LastGoodCopy | null;
  readonly log: FollowerLog;
}

/** The part of the gateway that is used here. */
export interface FollowedGateway {
  reload(): Promise<ReloadResult>;
  useCertificates(pairs: readonly LoadedPair[]): void;
  readonly log: FollowerLog;
}

/** The least time between two changes. */
const APPLY_INTERVAL_MS = 300;
/** What was refused as a whole is tried again: rows may have become free. */
const RETRY_MS = 15_000;
const SHOWN_MAX = 100;
const DOCUMENT = 'kubernetes';
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

export class ClusterFollower implements ClusterView {
  private readonly watch: ClusterWatch;
  private readonly writer: ClusterWriter;
  /** null: the Gateway API is not wanted. */
  private readonly statuses: GatewayStatusWriter | null;
  private readonly secretPairs = new SecretPairs();
  private readonly gatewayReports = new GatewayReports();
  private log: FollowerLog;
  private gateway: FollowedGateway | null = null;

  /** By `NAMESPACE/NAME`: as it was used last. */
  private good = new Map<string, KubeJson>();
  private sent = new Map<string, KubeJson>();
  private sentDigest = '';
  /** Of the objects in force. */
  private appliedDigest = '';
  /** Of those that a trial has shown to be worse: requests are not tried on them again. */
  private judgedDigest = '';
  private fromCopy: ClusterObjects | null = null;
  private report: IngressReport = { objects: [], certificates: [], statuses: [] };
  private problems: Readonly<Record<string, string>> = {};
  private told = new Map<string, string>();
  private toldTroubles = '';
  private isAbsenceTold = false;
  private shownCertificates = '';
  private copied = '';
  /** Copies are written one after the other: the last one stays. */
  private copying = Promise.resolve();
  private isApplying = false;
  private isStarted = false;
  private next: Timer | null = null;
  private isStopped = false;
  private onSettled: () => void = () => {};

  constructor(private readonly parts: ClusterFollowerParts) {
    const { settings, clock, random, access, log } = parts;
    this.log = log;
    this.watch = new ClusterWatch(settings, { clock, random, access }, () => this.onChange());
    this.writer = new ClusterWriter({
      ...{ clock, access, publish: settings.ingress.publish },
      log: (...line) => this.log(...line),
    });
    const { gatewayApi } = settings;
    this.statuses =
      gatewayApi === null
        ? null
        : new GatewayStatusWriter({
            ...{ clock, access },
            objectAt: (kind, place) => this.watch.objectAt(kind, place),
            log: (...line) => this.log(...line),
          });
  }

  /**
   * Resolves when all that is wanted of the cluster was read. With the copy on disk where it is
   * away, or has not answered within this time.
   */
  async start(waitMs: number): Promise<void> {
    this.watch.start();
    await new Promise<void>((resolve) => {
      const timer = this.parts.clock.after(waitMs, resolve);
      this.onSettled = () => {
        timer.cancel();
        resolve();
      };
    });
    this.onSettled = () => {};
    const lacksGateways = this.parts.settings.gatewayApi !== null && this.watch.gateways === null;
    if (!this.watch.isKnown || lacksGateways) await this.readCopy();
  }

  /** The gateway is made, and will start. */
  attach(gateway: FollowedGateway): void {
    this.gateway = gateway;
    this.log = gateway.log;
    this.showCertificates();
  }

  /** The gateway has started: changes go to it from now on. */
  started(): void {
    this.isStarted = true;
    this.tellOutcomes();
    this.writeOutcomes();
    this.onChange();
  }

  stop(): void {
    this.isStopped = true;
    this.next?.cancel();
    this.watch.stop();
    this.writer.stop();
    this.statuses?.stop();
  }

  objects(): ClusterObjects {
    const objects = this.objectsNow();
    this.sent = new Map(objects.ingresses.map(({ object }) => [placeOfObject(object), object]));
    this.sentDigest = digestOf(objects);
    return objects;
  }

  onReport(report: IngressReport): void {
    this.report = report;
    this.appliedDigest = this.sentDigest;
    const good = new Map<string, KubeJson>();
    for (const { namespace, name, state } of report.objects) {
      const place = `${namespace}/${name}`;
      const object = state === 'used' ? this.sent.get(place) : this.good.get(place);
      if (object !== undefined) good.set(place, object);
    }
    this.good = good;
    if (this.gateway === null) return;
    this.showCertificates();
    this.tellOutcomes();
    this.writeOutcomes();
    this.copying = this.copying.then(() => this.writeCopy());
  }

  status(): ClusterStatus {
    const { objects } = this.report;
    const refused = objects.filter(({ state }) => state !== 'used');
    const shown = objects.filter(({ state, notes }) => state !== 'used' || notes.length > 0);
    return {
      state: this.watch.isKnown ? 'watching' : this.fromCopy === null ? 'waiting' : 'copy',
      troubles: this.watch.troubles,
      used: objects.length - refused.length,
      refused: refused.length,
      ingresses: shown.slice(0, SHOWN_MAX).map(({ namespace, name, state, reasons, notes }) => ({
        ...{ name: `${namespace}/${name}`, state, reasons, notes },
      })),
      certificates: this.problems,
      ...(this.statuses !== null && { gatewayApi: this.gatewayReports.status() }),
    };
  }

  private onChange(): void {
    if (this.isStopped) return;
    this.tellTroubles();
    if (this.watch.isSettled || this.watch.isAway) this.onSettled();
    if (this.gateway === null) return;
    this.showCertificates();
    if (this.isStarted && this.watch.gateways !== null) this.statuses?.look();
    const mustWait = !this.isStarted || this.isApplying || this.next !== null;
    if (mustWait || !this.watch.isKnown) return;
    const digest = digestOf(this.objectsNow());
    if (digest === this.judgedDigest) return;
    this.judgedDigest = '';
    if (digest !== this.appliedDigest) void this.apply();
  }

  private async apply(): Promise<void> {
    const { gateway } = this;
    if (gateway === null) return;
    this.isApplying = true;
    const result = await gateway.reload();
    this.isApplying = false;
    if (this.isStopped) return;
    const isRefused = result.outcome === 'refused';
    if (isRefused && result.wasJudged === true) this.judgedDigest = this.sentDigest;
    // The reloader's log has the reasons.
    this.next = this.parts.clock.after(isRefused ? RETRY_MS : APPLY_INTERVAL_MS, () => {
      this.next = null;
      this.onChange();
    });
  }

  private objectsNow(): ClusterObjects {
    const gateway = this.gatewaysNow();
    const { ingresses, classes } = this.watch;
    if (ingresses === null) return this.fromCopy ?? { ingresses: [], classes: [], secrets: [] };
    const objects = [...ingresses.values()].map(stripped);
    return {
      ingresses: objects.map((object) => ({ object, before: this.before(object) })),
      classes,
      secrets: this.userSecrets(objects, classes),
      ...(gateway !== undefined && { gateway }),
    };
  }

  /** undefined: they are not wanted, or nothing is known of them. */
  private gatewaysNow(): GatewayObjects | undefined {
    const { gatewayApi } = this.parts.settings;
    const { gateways } = this.watch;
    if (gatewayApi === null || gateways === null) return this.fromCopy?.gateway;
    const places = gatewaySecrets({ ...gateways, tlsSecrets: [] }, gatewayApi);
    const tlsSecrets = places.map((place) => ({
      place,
      problem: this.secretPairs.problemOf(this.watch.secretAt(place).object),
    }));
    return { ...gateways, tlsSecrets };
  }

  /** The version that was used last of the same object, where it is another one. */
  private before(object: KubeJson): KubeJson | null {
    const good = this.good.get(placeOfObject(object));
    if (good === undefined || uidOf(good) !== uidOf(object)) return null;
    return JSON.stringify(good) === JSON.stringify(object) ? null : good;
  }

  /** Texts that are no certificates: those are given to listeners alone. */
  private userSecrets(
    objects: readonly KubeJson[],
    classes: readonly KubeJson[] | null,
  ): ClusterObjects['secrets'] {
    return secretsOf(objects, classes, this.parts.settings.ingress).flatMap((place) => {
      const { object } = this.watch.secretAt(place);
      const auth = object === null ? '' : textAt(recordAt(object, 'data'), 'auth');
      if (auth === '') return [];
      const [namespace = '', name = ''] = place.split('/');
      return [{ namespace, name, auth: Buffer.from(auth, 'base64').toString('utf8') }];
    });
  }

  /** Every listener makes contexts of them: what is the same is not shown again. */
  private showCertificates(): void {
    const pairs = this.pairsNow();
    const key = pairs.map(({ id, names }) => `${id} ${names.join(' ')}`).join('\n');
    if (key === this.shownCertificates) return;
    this.shownCertificates = key;
    this.gateway?.useCertificates(pairs);
  }

  private pairsNow(): readonly LoadedPair[] {
    const { pairs, problems } = this.secretPairs.pairsFor(
      this.report.certificates,
      (place) => this.watch.secretAt(place).object,
    );
    this.problems = problems;
    return pairs;
  }

  /** Each once, until something else is to be said of the object. */
  private tellOutcomes(): void {
    const told = new Map<string, string>();
    for (const outcome of this.report.objects) {
      const ingress = `${outcome.namespace}/${outcome.name}`;
      const text = JSON.stringify([outcome.state, outcome.reasons, outcome.notes]);
      told.set(ingress, text);
      if (this.told.get(ingress) !== text) this.tell(ingress, outcome);
    }
    this.told = told;
    this.gatewayReports.tell(this.report.statuses, this.log);
  }

  private tell(ingress: string, { state, reasons, notes }: IngressOutcome): void {
    if (state === 'used') {
      if (notes.length > 0) this.log('info', { ingress, notes }, 'an Ingress is served with notes');
      return;
    }
    const message =
      state === 'before'
        ? 'an Ingress is refused, its version before is served'
        : 'an Ingress is refused';
    this.log('warn', { ingress, reasons }, message);
  }

  /** Once in the life of the process. */
  private tellAbsence(): void {
    if (this.isAbsenceTold || !this.watch.lacksGatewayApi) return;
    this.isAbsenceTold = true;
    this.log('warn', {}, 'the cluster has no Gateway API, which is not waited for');
  }

  private tellTroubles(): void {
    this.tellAbsence();
    const troubles = Object.fromEntries(
      Object.entries(this.watch.troubles).filter(([, why]) => why !== ABSENT),
    );
    const text = JSON.stringify(troubles);
    if (text === this.toldTroubles) return;
    this.toldTroubles = text;
    if (text === '{}') this.log('info', {}, 'the cluster can be read');
    else this.log('warn', { troubles }, 'something of the cluster cannot be read');
  }

  private writeOutcomes(): void {
    const { ingresses, gateways } = this.watch;
    if (gateways !== null) this.statuses?.write(this.report.statuses);
    if (ingresses === null) return;
    this.writer.write(this.report.objects, (place) => this.watch.ingresses?.get(place));
  }

  private async readCopy(): Promise<void> {
    const { copy } = this.parts;
    if (copy === null) return;
    const { content, problem } = await copy.read();
    if (problem !== null) this.log('error', { problem }, 'the copy of the cluster is not used');
    const [document] = content?.documents ?? [];
    if (document === undefined || content === null) return;
    this.fromCopy = JSON.parse(document.text) as ClusterObjects;
    const { savedAt } = content;
    this.log('warn', { savedAt, file: copy.file }, 'the routes are the last good copy on disk');
  }

  /** What is in force, without secrets: whoever needs them has no routes until they are there. */
  private async writeCopy(): Promise<void> {
    const { copy, clock } = this.parts;
    if (copy === null || !this.watch.isKnown) return;
    const ingresses = [...this.good.values()].map((object) => ({ object, before: null }));
    const { classes } = this.watch;
    const gateway = this.gatewaysNow();
    const text = JSON.stringify({ ingresses, classes, secrets: [], gateway });
    if (text === this.copied) return;
    this.copied = text;
    const savedAt = new Date(clock.unixMs()).toISOString();
    const documents = [{ name: DOCUMENT, text, team: '', id: '', sha256: sha256Of(text) }];
    try {
      await copy.write({ revision: 0, clusterId: '', savedAt, documents });
    } catch (error) {
      this.copied = '';
      const reason = error instanceof Error ? error.message : String(error);
      this.log('error', { reason, file: copy.file }, 'the copy of the cluster is not written');
    }
  }
}

/** What routes are made of: our own writing of its status is no change. */
function stripped(object: KubeJson): KubeJson {
  const { namespace, name, uid, creationTimestamp } = recordAt(object, 'metadata');
  const annotations = Object.entries(recordAt(recordAt(object, 'metadata'), 'annotations'))
    .filter(([key]) => key === CLASS_ANNOTATION || key.startsWith(ANNOTATION_PREFIX))
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const metadata = { namespace, name, uid, creationTimestamp };
  return {
    metadata: { ...metadata, annotations: Object.fromEntries(annotations) },
    spec: object['spec'],
  };
}

function digestOf({ ingresses, classes, secrets, gateway }: ClusterObjects): string {
  const named = (classes ?? []).map((one) => [one['metadata'], one['spec']]);
  const objects = ingresses.map(({ object }) => object);
  const text = JSON.stringify([objects, classes === null ? null : named, secrets, gateway]);
  return createHash('sha256').update(text).digest('hex');
}

function placeOfObject(object: KubeJson): string {
  const metadata = recordAt(object, 'metadata');
  return `${textAt(metadata, 'namespace')}/${textAt(metadata, 'name')}`;
}

function uidOf(object: KubeJson): string {
  return textAt(recordAt(object, 'metadata'), 'uid');
}
