#!/usr/bin/perl -cw
{## A perl of its own holds none of DrakX's files open. Its log can be followed by nothing else that all have. ##}
eval { system($^X, '-e', q{
    ($port) = @ARGV; open LOG, '/tmp/ddebug.log' or exit; exit if !defined($sender = fork) || $sender;
    for (;; sleep 1) {
        seek LOG, 0, 1;
        while (<LOG>) { open PORT, ">$port" or next; print PORT "oz-log $_"; close PORT }
    }
}, devices::make({{ ports.marker.rpartition("/")[2] | perl }})) };
$o = {
    'lang' => 'en_US',
    'keyboard' => { 'KEYBOARD' => 'us', 'GRP_TOGGLE' => '' },
    'timezone' => { 'timezone' => 'Etc/UTC', 'UTC' => 1, 'ntp' => undef },
    'security' => {{ facts.security }},
{## Of the hash below, which is written as it is; what it would make of a password. ##}
    'authentication' => { 'shadow' => 1, {{ system.password_schemes[0] | perl }} => 1 },
    'superuser' => {
        'pw' => {{ root_password_hash | perl }},
        'realname' => 'root', 'uid' => '0', 'gid' => '0', 'home' => '/root', 'shell' => '/bin/bash',
    },
    'users' => [],
    'partitioning' => { 'clearall' => 1, 'eraseBadPartitions' => 1, 'auto_allocate' => 1 },
    'partitions' => [
{% for one in partitions %}
        {
            'mntpoint' => {{ one.mount | perl }},
{% if facts.file_systems %}
            'type' => {{ facts.file_systems[one.filesystem] }},
{% else %}
            'fs_type' => {{ one.filesystem | perl }},
{% endif %}
{## In sectors. What has a ratio gets its share of what is left, and there is one of them. ##}
{% if one.size_bytes %}
            'size' => {{ -(-one.size_bytes // sector_bytes) }},
{% else %}
            'size' => {{ rest_sectors }}, 'ratio' => 100,
{% endif %}
        },
{% endfor %}
    ],
    'default_packages' => [ 'openssh-server', 'urpmi' ],
    'no_suggests' => 1,
{% if facts.has_net %}
    'net' => {
        'type' => 'ethernet', 'net_interface' => 'eth0', 'network' => { 'NETWORKING' => 'yes' },
        'ifcfg' => { 'eth0' => { 'DEVICE' => 'eth0', 'BOOTPROTO' => 'dhcp', 'ONBOOT' => 'yes' } },
    },
{% else %}
    'netc' => { 'NETWORKING' => 'yes' },
    'netcnx' => { 'type' => 'lan', 'NET_INTERFACE' => 'eth0' },
    'intf' => { 'eth0' => { 'DEVICE' => 'eth0', 'BOOTPROTO' => 'dhcp', 'ONBOOT' => 'yes' } },
{% endif %}
    'X' => { 'disabled' => 1 },
    'interactiveSteps' => [],
    'autoExitInstall' => 1,
    'postInstall' => {{ finish | perl }},
};
