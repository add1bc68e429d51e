import { ids, onePage } from '../openapi/examples.ts';
import { companyListSchema, phoneNumberListSchema } from './schema.ts';

const company = { id: ids.company, name: 'Example company' };

export const listCompanies = {
  operationId: 'listCompanies',
  tags: ['Directory'],
  summary: 'List companies',
  description:
    'The companies that the API key can act for, the oldest first: those that an ATS manages, or the one that a company ' +
    'key belongs to.',
  response: { 200: { ...companyListSchema, description: 'One page of companies', examples: [onePage(company)] } },
};

const phoneNumber = {
  ...{ id: ids.phoneNumber, number: '+12025550123', companyId: ids.company, status: 'ACTIVE' },
  createdAt: '2026-11-20T10:29:00.000Z',
};

export const listPhoneNumbers = {
  operationId: 'listPhoneNumbers',
  tags: ['Directory'],
  summary: 'List phone numbers',
  description:
    'The active phone numbers of the company, the oldest first. Their ids are the values of `companyPhoneNumberId`.',
  response: {
    200: { ...phoneNumberListSchema, description: 'One page of phone numbers', examples: [onePage(phoneNumber)] },
  },
};
