// Which protocol a URL is for, and what makes its transport.
#ifndef LARDER_STORE_REMOTE_PROTOCOLS_H_
#define LARDER_STORE_REMOTE_PROTOCOLS_H_

#include "larder/remote.h"
#include "remote/url.h"
#include "store/remote/attributes.h"
#include "store/remote/remote_store.h"

namespace larder {

// Each reads the secrets that the attributes name, takes those that it knows, and connects to
// nothing yet. Errors as open_remote_store.
Result<MakeTransport> redis_protocol(const remote::Url& url, Attributes& attributes);
Result<MakeTransport> redis_cluster_protocol(const remote::Url& url, Attributes& attributes);
Result<MakeTransport> redis_socket_protocol(const remote::Url& url, Attributes& attributes);
Result<MakeTransport> http_protocol(const remote::Url& url, Attributes& attributes);
Result<MakeTransport> s3_protocol(const remote::Url& url, Attributes& attributes);
Result<MakeTransport> vyre_protocol(const remote::Url& url, Attributes& attributes);
Result<MakeTransport> webdav_protocol(const remote::Url& url, Attributes& attributes);

}  // namespace larder

#endif  // LARDER_STORE_REMOTE_PROTOCOLS_H_
