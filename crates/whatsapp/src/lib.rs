//! Client and webhook side of Meta's WhatsApp Cloud API.
