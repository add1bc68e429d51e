/* global SwaggerUIBundle */
// The address of the API: behind a path prefix these files have it too.
const base = new URL('../../', document.currentScript.src);

const at = (id) => document.getElementById(id);

/** What this tab remembers: the key, and nothing else of it anywhere. */
const kept = {
  get key() {
    return sessionStorage.getItem('key') ?? '';
  },
  set key(key) {
    sessionStorage.setItem('key', key);
  },
};

/** Sends a request with the key. @returns the answer, its text, and its value if it is JSON: that of a proxy may not be */
async function call(method, path, body) {
  const headers = { authorization: `Bearer ${kept.key}`, ...(body && { 'content-type': 'application/json' }) };
  const response = await fetch(new URL(path, base), { method, headers, body });
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  return { response, text, value: isJson ? JSON.parse(text) : undefined };
}

/** @throws Error that says why the server refuses */
async function read(path) {
  const { response, value } = await call('GET', path);
  if (!value) throw new Error(`${response.status} ${response.statusText}`);
  if (!response.ok) throw new Error(`${value.code}: ${value.detail}`);
  return value;
}

/** Who the key is, and what it may see first: the page's examples are about these. */
async function findSubject() {
  const key = await read('api-key');
  const [company] = (await read('companies?limit=1')).data;
  if (!company) throw new Error('no company has granted this integration anything yet');
  const query = `companyId=${company.id}&limit=1`;
  const [agent] = (await read(`agents?${query}`)).data;
  const [number] = (await read(`phone-numbers?${query}`)).data;
  return { key, isOfIntegration: !key.companyId, company, agent, number };
}

/** The document with examples about what the key may change. */
function aboutSubject(text, { isOfIntegration, company, agent, number } = {}) {
  const { get, patch } = JSON.parse(text).paths['/agents/{id}'];
  const shown = get.responses[200].content['application/json'].example;
  const phone = patch.requestBody.content['application/json'].examples.phone.value;
  const ids = [
    [shown.id, agent?.id],
    [shown.companyId, company?.id],
    [phone.companyPhoneNumberId, number?.id],
  ];
  const spec = JSON.parse(
    ids.reduce((changed, [example, id]) => (id ? changed.replaceAll(example, id) : changed), text),
  );
  spec.servers = [{ url: base.href.replace(/\/$/, '') }];
  const values = {
    ...(agent && { id: agent.id, version: 1 }),
    ...(isOfIntegration && { companyId: company.id }),
  };
  for (const [path, operations] of Object.entries(spec.paths)) {
    for (const { parameters = [] } of Object.values(operations)) {
      for (const parameter of parameters) {
        const isOfOther = parameter.name === 'id' && !path.startsWith('/agents/');
        if (!isOfOther && parameter.name in values) parameter.example = values[parameter.name];
      }
    }
  }
  return spec;
}

/** In the order of a day's work; what is not named here stays where it is. */
const day = ['listAgents', 'createAgent', 'getAgent', 'updateAgent', 'deleteAgent'];
const place = (operation) => day.indexOf(operation.getIn(['operation', 'operationId']));

let source;

/** Shows the reference, with the key filled in. */
async function showReference(subject) {
  source ??= await (await fetch(new URL('openapi.json', base))).text();
  const ui = SwaggerUIBundle({
    spec: aboutSubject(source, subject),
    domNode: at('reference'),
    deepLinking: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    operationsSorter: (one, other) => place(one) - place(other),
    requestInterceptor(request) {
      const [, key] = /^Bearer (.+)$/.exec(request.headers.Authorization ?? '') ?? [];
      if (key) kept.key = key;
      return request;
    },
    onComplete() {
      if (kept.key) ui.preauthorizeApiKey('apiKey', kept.key);
    },
  });
}

/** Tells who the key is, and offers a PATCH of its first agent. */
async function connect() {
  at('caller').textContent = 'Looking up the key …';
  at('try').hidden = true;
  try {
    const subject = await findSubject();
    const { key, company, agent, isOfIntegration } = subject;
    const left = Object.entries(key.rateLimits).flatMap(([window, limit]) =>
      limit ? [`${limit.remaining} of ${limit.limit} requests left in this ${window}`] : [],
    );
    const facts = [
      `The key ${key.name ?? key.start} ${isOfIntegration ? 'of an ATS acts for' : 'of'} ${company.name}`,
      `scopes: ${key.scopes.join(', ')}`,
      ...left,
      ...(agent ? [] : ['the company has no agent: create one with POST /agents below']),
    ];
    at('caller').textContent = `${facts.join(' · ')}.`;
    if (agent) {
      at('agent').textContent = agent.name;
      at('address').textContent = `agents/${agent.id}${isOfIntegration ? `?companyId=${company.id}` : ''}`;
      at('try').hidden = false;
    }
    await showReference(subject);
  } catch (error) {
    at('caller').textContent = error.message;
    await showReference();
  }
}

at('connect').addEventListener('submit', (event) => {
  event.preventDefault();
  // People copy the whole header, too.
  kept.key = at('key')
    .value.trim()
    .replace(/^Bearer +/i, '');
  connect();
});

at('patch').value = JSON.stringify({ duration: 60, metadata: { team: 'Platform' } }, undefined, 2);
at('try').addEventListener('submit', async (event) => {
  event.preventDefault();
  at('status').textContent = 'Sending …';
  at('answer').hidden = true;
  try {
    const { response, text, value } = await call('PATCH', at('address').textContent, at('patch').value);
    const etag = response.headers.get('etag');
    const changed = response.headers.get('changed-fields');
    const facts = [etag && `ETag ${etag}`, changed !== null && `Changed-Fields: ${changed || '(none)'}`].filter(
      Boolean,
    );
    at('status').textContent = [`${response.status} ${response.statusText}`, ...facts].join(' · ');
    at('answer').textContent = value ? JSON.stringify(value, undefined, 2) : text;
    at('answer').hidden = false;
  } catch (error) {
    at('status').textContent = `No answer: ${error.message}. The change may have been saved.`;
  }
});

/** Dark or light: as the system has it until the button is pressed. */
function setTheme(isDark) {
  document.documentElement.classList.toggle('dark-mode', isDark);
  at('theme').textContent = isDark ? 'Light' : 'Dark';
}
const isSystemDark = matchMedia('(prefers-color-scheme: dark)');
const theme = sessionStorage.getItem('theme');
setTheme(theme ? theme === 'dark' : isSystemDark.matches);
at('theme').addEventListener('click', () => {
  const isDark = !document.documentElement.classList.contains('dark-mode');
  sessionStorage.setItem('theme', isDark ? 'dark' : 'light');
  setTheme(isDark);
});

if (kept.key) {
  at('key').value = kept.key;
  connect();
} else showReference();
