import { setTimeout } from 'node:timers/promises';
import {
  type ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { ApiError } from '../http/problems.ts';
import { isUuid } from '../http/uuid.ts';

/** The span of a request whose trace is recorded. */
export type RequestSpan = Span;

type Run<Item, Result> = (items: readonly Item[]) => Promise<Result>;

/**
 * Puts each run of a batch into a span, if one of its requests is traced.
 * @param spanOf the span of the request that an item belongs to
 */
export type TraceBatches = <Item, Result>(
  name: string,
  spanOf: (item: Item) => RequestSpan | undefined,
  run: Run<Item, Result>,
) => Run<Item, Result>;

export type Tracing = ReturnType<typeof tracing>;

/** For servers without an SDK: returns `run` itself. */
export const untraced: TraceBatches = (_, __, run) => run;

/** Spans by the SDK that is loaded in this process; undefined if there is none. */
export function registeredTracing(): Tracing | undefined {
  const provider = trace.getTracerProvider();
  const name = 'interview-agents-api';
  const tracer = isProxy(provider) ? provider.getDelegateTracer(name) : provider.getTracer(name);
  return tracer && tracing(tracer);
}

/**
 * Lets the SDK, if one is loaded, send the spans that it still holds. Takes at most a second, so that a collector that does
 * not answer does not delay the shutdown.
 * @throws what the SDK throws if it cannot send them
 */
export async function flushSpans(): Promise<void> {
  const provider = trace.getTracerProvider();
  const sdk = isProxy(provider) ? provider.getDelegate() : provider;
  if (canFlush(sdk)) await Promise.race([sdk.forceFlush(), setTimeout(1_000)]);
}

/** Not by `instanceof`: an SDK in a folder of its own has another copy of the class. */
const isProxy = (provider: TracerProvider): provider is ProxyTracerProvider => 'getDelegateTracer' in provider;

/** A method of the providers of SDKs that the interface does not have. */
interface Flushing {
  forceFlush(): Promise<void>;
}

const canFlush = (provider: TracerProvider): provider is TracerProvider & Flushing => 'forceFlush' in provider;

/** Spans by a tracer, named and described by OpenTelemetry's conventions for HTTP. They hold no key, query, header or body. */
const tracing = (tracer: Tracer) => ({
  /**
   * Begins the span of a request.
   * @param route the route's pattern, if there is one
   * @param headers may name the span's parent: `traceparent` (W3C Trace Context), or others that the SDK is set up to read
   * @returns undefined if the SDK does not record the trace
   */
  begin(method: string, route: string | undefined, path: string, headers: object): RequestSpan | undefined {
    const known = knownMethods.has(method) ? method : undefined;
    const pattern = route === undefined ? undefined : braced(route);
    const attributes = {
      'http.request.method': known ?? '_OTHER',
      'url.scheme': 'http',
      ...(route !== undefined && { 'http.route': pattern, 'url.path': plainPath(route, path) }),
    };
    const name = [known ?? 'HTTP', pattern].join(' ').trimEnd();
    const parent = propagation.extract(ROOT_CONTEXT, headers);
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    return span.isRecording() ? span : undefined;
  },

  /**
   * Ends it.
   * @param status null if the client closed the connection before the answer
   * @param code of the problem that was answered; null on success
   */
  end(span: RequestSpan, status: number | null, code: string | null): void {
    if (status !== null) span.setAttribute('http.response.status_code', status);
    if (code !== null) span.setAttribute('interview_agents.problem.code', code);
    if (status !== null && status >= 500) fail(span, code ?? String(status));
    span.end();
  },

  batches: ((name, spanOf, run) => async (items) => {
    const requests = items.flatMap((item) => spanOf(item) ?? []).filter((span) => span.isRecording());
    const [first] = requests;
    if (!first) return await run(items);
    const options = { attributes: { 'interview_agents.batch.size': items.length } };
    // In the trace of one of the requests: a trace of its own would be sampled separately, and links could lead nowhere.
    return await tracer.startActiveSpan(name, options, trace.setSpan(ROOT_CONTEXT, first), async (span) => {
      for (const request of requests) request.addLink({ context: span.spanContext() });
      try {
        return await run(items);
      } catch (error) {
        fail(span, error instanceof ApiError ? error.code : 'INTERNAL_ERROR');
        throw error;
      } finally {
        span.end();
      }
    });
  }) satisfies TraceBatches,
});

/** Records only the code: the message of a database error can contain values. */
function fail(span: Span, code: string): void {
  span.setAttribute('error.type', code).setStatus({ code: SpanStatusCode.ERROR });
}

/** The methods that OpenTelemetry's conventions know. */
const knownMethods = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE']);

/** The pattern of a route as OpenAPI writes it. */
const braced = (route: string) => route.replaceAll(/:(\w+)/g, (_, name: string) => `{${name}}`);

/** A path without its query. A parameter that is not an id is replaced by its name: it may be an API key sent by mistake. */
function plainPath(route: string, path: string): string {
  const parts = path.split('?', 1).join().split('/');
  const shown = route.split('/').map((name, place) => {
    const part = parts[place] ?? '';
    const isVersion = name === ':version' && /^\d{1,9}$/.test(part);
    return name === part || isUuid(part) || isVersion ? part : braced(name);
  });
  return shown.join('/');
}
