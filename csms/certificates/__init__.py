"""Certificates: the CAs of the CSMS, contract certificates, and the status of certificates (OCSP, CRL)."""
