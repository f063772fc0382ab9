// Remote stores for the contract: over a folder, and over each real server that can be started
// here.
#ifndef LARDER_TESTS_CONTRACT_REMOTE_STORES_H_
#define LARDER_TESTS_CONTRACT_REMOTE_STORES_H_

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "larder/remote.h"

namespace larder {

using OpenStore =
    std::function<Result<std::shared_ptr<Store>>(const std::filesystem::path& directory)>;

Result<std::shared_ptr<Store>> open_remote_folder(const std::filesystem::path& directory);

// By name. All stores of a process share a server, each directory has a namespace of its own there.
std::vector<std::pair<std::string, OpenStore>> remote_servers();

}  // namespace larder

#endif  // LARDER_TESTS_CONTRACT_REMOTE_STORES_H_
