"""The same request with each HTTP client, as apps write it: each sends once and returns the status."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import urllib.parse
import urllib.request

import aiohttp
import httpx
import httpx2
import requests
import urllib3


def tls(trust):
    return ssl.create_default_context(cafile=trust) if trust else None


def with_http_client(method, url, headers=None, body=None, trust=None):
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=10, context=tls(trust))
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def with_urllib(method, url, headers=None, body=None, trust=None):
    asked = urllib.request.Request(url, headers=headers or {}, method=method, data=body)
    with urllib.request.urlopen(asked, timeout=10, context=tls(trust)) as answer:
        return answer.status


def with_urllib3(method, url, headers=None, body=None, trust=None):
    with urllib3.PoolManager(ca_certs=trust) as pool:
        return pool.request(method, url, headers=headers, body=body).status


def with_requests(method, url, headers=None, body=None, trust=None):
    return requests.request(method, url, headers=headers, data=body, timeout=10, verify=trust or True).status_code


def with_httpx(method, url, headers=None, body=None, trust=None, library=httpx):
    with library.Client(verify=tls(trust) or True) as client:
        return client.request(method, url, headers=headers, content=body).status_code


def with_httpx2(method, url, headers=None, body=None, trust=None):
    return with_httpx(method, url, headers, body, trust, httpx2)


def with_httpx_async(method, url, headers=None, body=None, trust=None):
    async def send():
        async with httpx.AsyncClient(verify=tls(trust) or True) as client:
            return (await client.request(method, url, headers=headers, content=body)).status_code

    return asyncio.run(send())


def with_aiohttp(method, url, headers=None, body=None, trust=None):
    async def send():
        async with aiohttp.ClientSession() as session:
            more = {"ssl": tls(trust)} if trust else {}
            async with session.request(method, url, headers=headers, data=body, **more) as answer:
                await answer.read()
                return answer.status

    return asyncio.run(send())


SENDERS = {
    "http.client": with_http_client,
    "urllib": with_urllib,
    "urllib3": with_urllib3,
    "requests": with_requests,
    "httpx": with_httpx,
    "httpx2": with_httpx2,
    "httpx-async": with_httpx_async,
    "aiohttp": with_aiohttp,
}
