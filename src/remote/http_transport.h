// Objects as what stands at a URL: the endpoint's, a slash, and the object's name.
#ifndef LARDER_REMOTE_HTTP_TRANSPORT_H_
#define LARDER_REMOTE_HTTP_TRANSPORT_H_

#include <memory>

#include "remote/http_session.h"
#include "remote/transport.h"

namespace larder::remote {

enum class Dialect {
  http,    // GET, HEAD, PUT and DELETE; the server makes folders by itself; no listing
  webdav,  // MKCOL where a PUT finds no folder; listings by PROPFIND
  s3,      // signed; listings by ListObjectsV2; DELETE does not tell whether there was anything
  vyre,    // GET, and three headers that say of an object what the endpoint demands; no listing
};

std::unique_ptr<Transport> make_http_transport(const HttpEndpoint& endpoint, Dialect dialect);

}  // namespace larder::remote

#endif  // LARDER_REMOTE_HTTP_TRANSPORT_H_
