#!/bin/sh
# floor.sh FOLDER ID: runs one container with an overlay over a shared root and runc: the floor for the platform.
folder=$1/$2
mkdir -p "$folder/upper" "$folder/work" "$folder/rootfs"
cp "$1/config.json" "$folder/config.json"
mount -t overlay overlay -o "lowerdir=$1/root,upperdir=$folder/upper,workdir=$folder/work" "$folder/rootfs"
runc run --bundle "$folder" "floor-$2" </dev/null >"$folder/log" 2>&1
echo $? >"$folder/exit"
umount "$folder/rootfs"
rm -rf "$folder/upper" "$folder/work" "$folder/rootfs"
