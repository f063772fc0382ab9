// Leases among the threads of one process.
#ifndef LARDER_STORE_LEASE_TABLE_H_
#define LARDER_STORE_LEASE_TABLE_H_

#include <memory>
#include <mutex>
#include <set>

#include "larder/error.h"
#include "larder/fingerprint.h"
#include "larder/store.h"
#include "os/fork_guard.h"

namespace larder {

// Any number of threads. A lease keeps what it needs alive: it may outlive the table. In a forked
// child the table must not be used again; the leases that came along may go, and do nothing.
class LeaseTable {
 public:
  // Null while somebody holds it. Throws bad_alloc.
  std::unique_ptr<Lease> try_lease(const Fingerprint& fingerprint);

 private:
  struct Held {
    const os::ForkGuard guard;
    std::mutex mutex;
    std::set<Fingerprint> fingerprints;  // ordered: nobody can make it slow by choosing them
  };
  class Handle;

  std::shared_ptr<Held> held_ = std::make_shared<Held>();
};

}  // namespace larder

#endif  // LARDER_STORE_LEASE_TABLE_H_
