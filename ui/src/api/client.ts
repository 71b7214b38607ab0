import type { Fault, ProblemDocument } from './types';

/** What went wrong, in the words of the server where it had any. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Id of the occurrence, to quote when asking for help. */
  readonly instance: string;
  readonly faults: Fault[];

  constructor(document: Partial<ProblemDocument> & { status: number }) {
    super(document.detail || document.title || `status ${document.status}`);
    this.name = 'Problem';
    this.status = document.status;
    this.title = document.title ?? titleOf(document.status);
    this.detail = document.detail ?? '';
    this.instance = document.instance ?? '';
    this.faults = document.errors ?? [];
  }
}

function titleOf(status: number): string {
  if (status === 0) return 'Echobase does not answer';
  if (status === 401) return 'Sign in first';
  if (status === 403) return 'Not allowed';
  if (status === 404) return 'Not found';
  return 'It did not work';
}

export type Query = Record<string, string | number | undefined | null>;

export interface Call {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
  /** The version that was read: if it changed meanwhile, nothing is done. */
  version?: number;
}

let csrf = '';
let onSignedOut: () => void = () => {};

/** The token that unsafe requests of this session carry. */
export function useCsrfToken(token: string | null | undefined): void {
  csrf = token ?? '';
}

/** Called whenever the server says that nobody is signed in. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

/** 128 random bits; `crypto.randomUUID` is missing on plain HTTP away from localhost. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

export function address(path: string, query?: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return `/api/v1${path}${text ? `?${text}` : ''}`;
}

async function send(method: string, path: string, call: Call): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (call.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') {
    headers['X-CSRF-Token'] = csrf;
    headers['Idempotency-Key'] = randomKey();
    if (call.version !== undefined) headers['If-Match'] = `"${call.version}"`;
  }
  let answer: Response;
  try {
    answer = await fetch(address(path, call.query), {
      method,
      headers,
      body: call.body === undefined ? undefined : JSON.stringify(call.body),
      signal: call.signal,
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch (cause) {
    if (call.signal?.aborted) throw cause;
    throw new Problem({ status: 0, detail: 'The server cannot be reached. It is tried again by itself.' });
  }
  if (answer.ok) return answer;
  const problem = new Problem({ ...(await documentOf(answer)), status: answer.status });
  if (answer.status === 401 && !path.startsWith('/session')) onSignedOut();
  throw problem;
}

async function documentOf(answer: Response): Promise<Partial<ProblemDocument>> {
  if (!/json/.test(answer.headers.get('Content-Type') ?? '')) return {};
  try {
    return (await answer.json()) as ProblemDocument;
  } catch {
    return {};
  }
}

async function json<T>(method: string, path: string, call: Call): Promise<T> {
  const answer = await send(method, path, call);
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  json<T>('GET', path, { query, signal });
export const post = <T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> =>
  json<T>('POST', path, { body, signal });
export const put = <T>(path: string, body: unknown, version?: number): Promise<T> => json<T>('PUT', path, { body, version });
export const patch = <T>(path: string, body: unknown): Promise<T> => json<T>('PATCH', path, { body });
export const remove = (path: string, version?: number): Promise<void> => json<void>('DELETE', path, { version });

/** A path segment: resource ids carry `:` and `/`. */
export const segment = (id: string): string => encodeURIComponent(id);
