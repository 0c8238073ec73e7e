[ -c {{ ports.marker }} ] || mknod {{ ports.marker }} c {{ ports.marker_number }}
