# The sample firm, its people and one day of two reps. Sourced by server/quickstart.sh, which gives
# `legworkd` and `rep LOGIN`, and $place.

firm_make() {
    echo "making the sample firm"
    printf 'blue-willow-%s\n' "$(od -An -N6 -tx1 /dev/urandom | tr -d ' ')" >"$place/password"
    chmod 600 "$place/password"
    legworkd init --company '青柳食品 Blue Willow Foods' --currency CNY --timezone Asia/Shanghai \
        --host 127.0.0.1 --host localhost --admin admin --password-file "$place/password"
    legworkd user add mei --name '陈美 Chen Mei' --role manager --team '上海 Shanghai' \
        --password-file "$place/password"
    legworkd user add lin --name '林晓 Lin Xiao' --role rep --manager mei --team '上海 Shanghai'
    legworkd user add sam --name 'Sam Porter' --role rep --manager mei --team '上海 Shanghai'
    demo=server/demo
    legworkd import territory $demo/territories.csv --map parent=parent_id:name
    legworkd import product $demo/products.csv --map tax=tax_bp --set active=1
    legworkd import price_list $demo/price_lists.csv
    legworkd import price_item $demo/prices.csv --map sku=product_id:sku,list=price_list_id:name
    legworkd import customer $demo/customers.csv
    legworkd import contact $demo/contacts.csv --map customer=customer_id:name
    # shellcheck disable=SC2046
    legworkd move $(cut -d, -f1 $demo/customers.csv | grep '^X0') --to lin
    # shellcheck disable=SC2046
    legworkd move $(cut -d, -f1 $demo/customers.csv | grep '^P0') --to sam
}

reps_enrol() {
    for login in lin sam; do
        rep $login enroll "$(legworkd invite $login --port "$(cat "$place/port")" | grep lw1,)"
        rep $login sync
    done
}

reps_work() {
    rep lin visit plan X004 today
    rep lin visit start 城隍庙茶庄 --at 31.2257,121.4922,12
    rep lin order new 城隍庙茶庄 TEA-LJ-100=24 TEA-PE-357=6 --discount 300
    rep lin order submit D1-0001 # Lin's is the first device, and this its first number
    rep lin pay 城隍庙茶庄 500.00 --method wechat
    rep lin visit finish --outcome order --note '新茶卖得好，下月加量' --next '送中秋礼盒样品' \
        --on +7
    rep lin visit log X003 --outcome no_order --note '货架满，周四再来'
    rep lin new customer name=石库门茶室 kind=prospect city=上海 phones=13700137013
    rep lin report day --submit

    rep sam visit start 'Pudong Import Foods' --at 31.2354,121.5064,20
    rep sam order new 'Pudong Import Foods' TEA-EB-025=40 SNK-SB-160=30 COF-YN-250=20
    rep sam order submit D2-0001
    rep sam visit finish --outcome order --note 'Deli counter moves to the front in May'
    rep sam visit log P004 --outcome payment --note "Fiona paid last month's bill"
    rep sam pay P004 1280.50 --method transfer
    rep sam visit log P003 --outcome closed --note 'Rain'
    rep sam report day --submit
}

reps_sync() {
    rep lin sync
    rep sam sync
}
