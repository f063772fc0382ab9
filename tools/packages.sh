# Debian packages in one place, and how to install the missing ones. Sourced by quickstart and
# run-tests.

build_packages=(
  g++ cmake ninja-build pkg-config ca-certificates
  librust-blake3-dev                             # BLAKE3's C and assembly sources
  libzstd-dev                                    # compressed artifacts
  libcurl4-openssl-dev libhiredis-dev            # remote tiers
  libcli11-dev libfmt-dev nlohmann-json3-dev     # the program `larder`
  opencl-headers ocl-icd-opencl-dev              # the OpenCL adapter
  pocl-opencl-icd                                # OpenCL on the processor: no graphics card needed
  libpng-dev                                     # a picture for the kernels to work on
)

test_packages=(
  libgtest-dev
  clang-19 libclang-rt-19-dev                    # the sanitizers' runtimes are a package apart
  clang-tidy-19 clang-format-19
  python3 git
  b3sum                                          # somebody else's BLAKE3, to be compared with ours
  redis-server nginx-light libnginx-mod-http-dav-ext  # servers for remote tiers
  apache2-bin openssl                            # another one, and certificates
  e2fsprogs xfsprogs btrfs-progs util-linux      # real file systems on loop devices, users, mounts
)

# Other people's stores, to be measured against. Each may be missing.
bench_packages=(
  liblmdb-dev libsqlite3-dev librocksdb-dev libleveldb-dev
)

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "Neither root nor sudo: run as root, or install these yourself: ${missing[*]}" >&2
    return 1
  fi
}

# missing_packages NAME...: fills the array `missing`.
missing_packages() {
  missing=()
  local name
  for name in "$@"; do
    case "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" in
      installed) ;;
      *) missing+=("$name") ;;
    esac
  done
}

apt_install() {
  as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
      apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# install_packages NAME...: installs what is missing; does not call apt-get when nothing is.
install_packages() {
  if ! command -v apt-get >/dev/null; then
    echo "== packages: this is not Debian; README.md says what must be there"
    return 0
  fi
  missing_packages "$@"
  if [ "${#missing[@]}" -eq 0 ]; then
    echo "== packages: all $# are installed"
    return 0
  fi
  step "packages: installing ${missing[*]}" packages apt_install
}
