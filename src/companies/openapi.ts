import { type Described, onePage } from '../openapi/described.ts';
import { ids } from '../openapi/ids.ts';

export const listCompanies: Described = {
  operationId: 'listCompanies',
  tags: ['Directory'],
  summary: 'List companies',
  description:
    'The companies that the API key can act for, the oldest first: those that an ATS manages, or the one that a company ' +
    'key belongs to.',
  successes: {
    200: {
      description: 'One page of companies',
      example: { body: onePage({ id: ids.company, name: 'Example company' }) },
    },
  },
};

export const listPhoneNumbers: Described = {
  operationId: 'listPhoneNumbers',
  tags: ['Directory'],
  summary: 'List phone numbers',
  description:
    'The active phone numbers of the company, the oldest first. Their ids are the values of `companyPhoneNumberId`.',
  successes: {
    200: {
      description: 'One page of phone numbers',
      example: {
        body: onePage({
          id: ids.phoneNumber,
          number: '+12025550123',
          companyId: ids.company,
          status: 'ACTIVE',
          createdAt: '2026-11-20T10:29:00.000Z',
        }),
      },
    },
  },
};
