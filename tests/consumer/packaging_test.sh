#!/usr/bin/env bash
# Installs a built Larder and uses it as other projects would: packaging_test.sh SOURCE BUILD CXX
set -euo pipefail
source_dir=$1 build_dir=$2
export CXX=$3
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
prefix=$temp/prefix

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# The fingerprint never changes; every way of linking must find the same one.
expect_same() {
  local said
  said=$("$@") || fail "$1 did not run"
  [[ $said =~ ^[0-9a-f]{64}$ ]] || fail "$1 said: $said"
  [ "$said" = "${first:=$said}" ] || fail "$1 said $said, not $first"
}

cmake --install "$build_dir" --prefix "$prefix" >/dev/null

echo "-- find_package"
cmake -S "$source_dir/tests/consumer/find_package" -B "$temp/found" -G Ninja \
  -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$temp/found"
for program in "$temp"/found/with_*; do expect_same "$program"; done

echo "-- find_package refuses another minor version"
sed 's/larder 0.1 REQUIRED/larder 0.0 REQUIRED/' \
  "$source_dir/tests/consumer/find_package/CMakeLists.txt" >"$temp/CMakeLists.txt"
if cmake -S "$temp" -B "$temp/refused" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then
  fail "a request for 0.0 was satisfied"
fi

echo "-- pkg-config"
libdir=$(dirname "$(find "$prefix" -name larder.pc)")
flags() { PKG_CONFIG_LIBDIR=$libdir pkg-config "$@" larder; }
# shellcheck disable=SC2046
"$CXX" -std=c++23 "$source_dir/tests/consumer/main.cc" -o "$temp/packaged" $(flags --cflags --libs)
LD_LIBRARY_PATH=$(flags --variable=libdir) expect_same "$temp/packaged"

echo "-- what the shared library exports"
shared=$(find "$prefix" -name liblarder.so)
exported=$(nm -DC --defined-only "$shared" | cut -d' ' -f3-)
grep -q '^larder::Recipe::fingerprint' <<<"$exported" || fail "the public interface is not exported"
foreign=$(grep -Ev '^((typeinfo|typeinfo name|vtable) for )?larder::|^larder_' <<<"$exported") &&
  fail "it exports what is not Larder's: $foreign"

echo "-- add_subdirectory, without remote tiers and what they need"
cmake -S "$source_dir/tests/consumer/add_subdirectory" -B "$temp/embedding" -G Ninja \
  -DLARDER_SOURCE_DIR="$source_dir" -DLARDER_REMOTE=OFF >/dev/null
cmake --build "$temp/embedding" --target embedded
expect_same "$temp/embedding/embedded"
[ ! -e "$temp/embedding/larder/tests" ] || fail "an embedding project got our tests"
