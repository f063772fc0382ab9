// A library with Larder in it, as a driver is: loaded, asked once, and unloaded by its host.
#include "larder/remote.h"

// Looks for an entry in the Redis server at `url`. 0 when there was an answer.
extern "C" __attribute__((visibility("default"))) int look_up_once(const char* url) {
  larder::RemoteStoreOptions options{.url = url, .plaintext = true};
  options.timeouts.connect = std::chrono::milliseconds(50);
  const auto store = larder::open_remote_store(options);
  return store && (*store)->get(larder::Fingerprint{}) ? 0 : 1;
}
