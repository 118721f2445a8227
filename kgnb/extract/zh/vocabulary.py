"""Chinese word lists of the rules, none of them from any one book."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦"
    "昌马苗凤花方俞任袁柳酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄和穆萧尹"
    "姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐"
    "邱骆高夏蔡田樊胡凌霍虞万支柯昝管卢莫经房裘缪干解应宗丁宣贲邓郁单杭洪包诸左石崔吉钮龚程嵇邢滑裴陆荣翁"
    "荀羊於惠甄曲家封芮羿储靳汲邴糜松井段富巫乌焦巴弓牧隗山谷车侯宓蓬全郗班仰秋仲伊宫宁仇栾暴甘钭厉戎祖武"
    "符刘景詹束龙叶幸司韶郜黎蓟薄印宿白怀蒲邰鄂索咸籍赖卓蔺屠蒙池乔阴胥苍双闻莘党翟谭贡劳逄姬申扶堵冉宰郦"
    "雍璩桑桂濮牛寿通边扈燕冀郏浦尚农温别庄晏柴瞿阎充慕连茹习宦艾鱼容向古易慎戈廖庾终暨居衡步都耿满弘匡国"
    "文寇广禄阙东殴沃蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚简饶空曾毋沙乜养鞠须丰巢关蒯查荆红游竺权逯盖益桓岳帅"
    "缑亢况琴归海晋楚闫法汝鄢涂钦商牟佘佴伯赏墨哈谯笪年爱阳佟福肖覃邝蹇审麴麹谌种幺卻郤眭逢祢皇付褟苟苑郇"
    "弥典轲丘啜伶源战楼植昙趙錢孫鄭馮陳衛蔣韓楊許呂張嚴華謝鄒竇蘇葉劉關馬龍羅畢賀湯齊顧黃蕭閔紀項賈樓顏鐘"
    "鄧龐鍾陸榮萬盧莊祿戰閻聶鄔龔單豐車甯譚勞賴喬陰雙聞黨連習魚廣東師鞏簡饒況歸賢來應蘭魯韋鳳駱滾瀧"
)
"""One-character surnames, simplified and traditional, without those that are mostly grammar (有, 是, 那)."""

COMMON_SURNAMES = frozenset(
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜谢邹窦苏潘葛范彭鲁韦马苗俞任袁柳鲍史唐"
    "费廉岑薛雷贺倪汤滕殷罗毕郝傅卞齐康伍余顾孟黄穆萧尹姚邵汪祁毛狄臧戴宋庞熊纪舒屈项祝董梁杜阮蓝闵季贾娄"
    "江童颜郭梅林钟徐邱骆高夏蔡田樊胡凌霍虞柯管卢莫丁邓洪石崔龚程邢裴陆翁荀甄封段焦侯甘武刘詹龙叶黎白蒲赖"
    "卓乔谭姬冉桑牛温庄柴瞿阎艾廖耿匡文寇欧聂辛曾沙丰关肖楚岳佟闫趙錢孫鄭馮陳衛蔣韓楊許呂張嚴華謝鄒蘇葉劉"
    "關馬龍羅顧黃蕭賈鍾鄧龐陸盧莊閻聶"
)
"""One-character surnames that are more often a surname than another word."""

COMPOUND_SURNAMES = _words("""
    诸葛 司马 夏侯 公孙 太史 皇甫 欧阳 上官 东方 令狐 慕容 尉迟 长孙 宇文 独孤 南宫 西门 轩辕 端木 百里
    呼延 东郭 司徒 司空 澹台 公冶 宗政 濮阳 淳于 单于 申屠 仲孙 钟离 鲜于 闾丘 万俟 闻人 赫连 拓跋 完颜
    耶律 纳兰 第五 公羊 谷梁 左丘 梁丘 段干 北堂 东门 北冥 即墨 叶赫 贺兰 达奚 漆雕 乐正 壤驷 微生 羊舌
    諸葛 司馬 公孫 歐陽 東方 尉遲 長孫 獨孤 南宮 西門 軒轅 鍾離 鮮于 聞人 赫連 完顏 東郭 納蘭 賀蘭
""")

"""Two-character surnames, simplified and traditional."""

SPEECH_VERBS = "曰道说言问答叫骂喝喊笑叹嚷吼哭云呼唱吟應問說喚嘆罵"
"""Verbs of speech that end the clause before a quotation: 玄德笑曰：“, 萧炎淡淡的道：“."""

AFTER_SPEAKER = frozenset(
    "曰道说问答叫骂喝喊笑叹怒急乃又亦便遂忙即喜惊泣再嚷吼哭冷淡苦大厉微轻低高沉点摇皱看望想也忽闻听见告谓"
    "谏回应连拱起向对指抚拍拔出入上下从就心慌暗赶接插拉不才只却的一缓柔撇挑眨眯抬咬耸开赞羞嗔咳拜伏顿奏請"
    "諫說問嘆驚"
)
"""Characters that may follow the speaker's name in such a clause."""

ACTION_VERBS = frozenset("勾抿垂攥愣顿沉蹙侧偏扬俯凑翻瞥瞪盯扫扯挽搂捏揉敛皱挑耸眨眯抬咬摇点叹笑")
"""Actions of a speaker after a quotation without a verb of speech: “别闹。”沈知意抿唇."""

DETERMINERS = frozenset("那这此其某各每诸众几两三四五六七八九十百千数个位名些该一二另這個諸眾兩數")
"""Determiners and numerals: they precede common nouns, hardly ever names."""

PLURALS = frozenset("们們等")
"""Plural suffixes: they follow common nouns, not names."""

TITLES = _words("""
    将军 丞相 主公 先生 大人 大王 陛下 天子 太后 太守 都督 军师 夫人 太太 老爷 少爷 小姐 姑娘 公子 公主
    皇上 皇帝 皇后 王爷 娘娘 奶奶 爷爷 父亲 母亲 爸爸 妈妈 爹爹 娘亲 哥哥 姐姐 弟弟 妹妹 叔叔 伯伯 舅舅
    姑姑 阿姨 儿子 女儿 丈夫 妻子 老婆 师父 师傅 师兄 师姐 师弟 师妹 师叔 师伯 师尊 师祖 弟子 徒弟 徒儿
    长老 掌门 宗主 教主 帮主 堂主 阁主 院长 校长 老师 同学 医生 护士 警察 司机 老板 经理 总裁 董事长
    主任 局长 队长 班长 秘书 教授 博士 律师 记者 服务员 保安 店员 客人 主人 元帅 大将 先锋 侍郎 尚书
    刺史 使者 使君 校尉 司马 大夫 太医 太子 世子 殿下 王妃 贵妃 国公 相国 太师 太傅 太尉 御史 县令 道士
    和尚 法师 大师 真人 道人 上人 道长 仙子 前辈 晚辈 道友 阁下 足下 在下 小人 老夫 老朽 本座 贫道 贫僧
    孤家 寡人 朕 老者 老人 老翁 老妇 老僧 老道 老头 少年 青年 男子 女子 女人 男人 少女 女孩 男孩 孩子
    婴儿 小孩 大汉 汉子 壮士 好汉 英雄 众人 众将 众官 诸将 诸官 左右 旁人 有人 别人 他人 自己 大家 我们
    你们 他们 她们 咱们 二人 三人 两人 众军 军士 士兵 小校 丫头 丫鬟 婆子 媳妇 小厮 仆人 侍女 宫女 太监
    管家 门人 店家 掌柜 小二 酒保 庄客 百姓 和众 皇叔 国舅 国丈 驸马 贤弟 兄长 贤侄 大哥 二哥 三哥 大姐
    二姐 三弟 二弟 大嫂 嫂嫂 嫂子 老大 老二 老三 老四 妖怪 妖精 魔王 妖王 菩萨 土地 行者 护法 侍卫 统领
    城主 家主 族长 少主 少宗 圣女 圣子 供奉 执事 管事 探子 探马 细作 谋士 头目 头领 寨主 员外 知府 知县
    太爷 老太太 對方 对方 此人 其人 何人 谁人 老兄 兄弟 姐妹 夫妻 父子 母子 兄台 小子 小弟 小妹 小王
    小生 老祖 少帅 将士 文武 百官 將軍 師父 師傅 師兄 師姐 師弟 師妹 師叔 長老 掌門 老爺 少爺 軍師 孩兒
    眾人 眾將 諸將 兒子 女兒 爺爺 媽媽
""")
"""Titles, kinship words and other nouns for a person that name nobody by themselves."""

TITLES_AFTER_SURNAME = _words("""
    公 侯 将军 丞相 先生 夫人 太太 老爷 少爷 小姐 姑娘 公子 大人 奶奶 爷 娘 氏 哥 姐 弟 妹 叔 伯 姨 嫂
    总 老师 医生 教授 律师 经理 局长 队长 主任 警官 师兄 师姐 师弟 师妹 师叔 长老 掌门 真人 道长 大师
    前辈 都督 太守 军师 皇叔 使君 老 某 妹妹 姐姐 哥哥 弟弟 大哥 二哥 大嫂 嫂子 婶 婆婆 嬷嬷 同学 师傅
    伯伯 叔叔 阿姨 董 少 將軍 老爺 師兄 師姐 老師
""")
"""Titles and honorifics that make a form of address of a surname: 关公, 林姑娘, 王老师."""

RANK_ENDS = frozenset("主帝王侯公后妃")
"""Last characters of ranks that several people may hold: 魏主, 献帝, 吴侯."""

PLACE_ENDS = _words("""
    州 城 县 郡 府 关 寨 山 江 河 湖 海 岭 谷 峰 岛 村 镇 乡 庄 宫 殿 寺 庙 观 洞 桥 渡 港 口 坡 原 林
    园 院 楼 阁 台 亭 街 路 巷 国 都 省 市 区 大陆 帝国 王国 学院 大学 中学 医院 酒店 广场 火车站 机场
    森林 沙漠 山脉 秘境 圣地 禁地 洞天 福地 山庄 遗迹 峡谷 大厦 小区 大道 码头 公寓
""")
"""Last words of place names."""

ORG_ENDS = _words("""
    派 帮 宗 教 盟 阁 家族 集团 公司 学院 大学 中学 医院 商会 佣兵团 公会 部落 王朝 帝国 集團 组织 银行
    报社 宗门 门派 商行 警局 公安局 医馆 镖局 钱庄 军团 研究所 基金会 世家 联盟 工作室 圣地
""")
"""Last words of organizations."""

AFTER_ORG = frozenset("的之弟长众人门内里与和跟是也要总董老员高上在给被")
"""Characters after an organization's name: its people and what it does (天玄宗的弟子, 星辉集团总部)."""

GENERIC_ORG_HEADS = frozenset("本贵分总子该大小新老旧全同名外两整多古连于由因见名叫说道听")
"""Characters before 公司 or 宗 that make no name of it (本公司, 该宗)."""

GENERIC_PLACES = _words("""
    山坡 山林 山水 山门 山口 山谷 高山 深山 大山 大江 大河 大海 江口 河口 渡口 路口 四海 天下 太阳 月亮 世界
    馆驿 客店 酒店 要路 大路 小路 中路 官道 大街 后园 花园 后院 故乡 他乡 本国 外国 本寨 大寨 本营 大营
""")
"""Common nouns for places, though dictionaries list some of them as names."""

BEFORE_PLACE = frozenset("在到往至于去来赴入离回过出守取攻袭奔返抵围屯驻投从自近向據据奪夺下克居")
"""Prepositions and verbs (of motion, of war) that precede a place."""

UNLIKELY_NAME_ENDS = frozenset(
    "曰说道问答叹怒哭叫喝骂笑惊喜大忙急遂乃即又亦便不未已欲令引使率见听者也矣乎哉之而其以与于是在了着过吧"
    "呢吗啊的地得很都就把被让给向对从来去到上下出入中里内人们等何此兵将军二三一個們說問"
)
"""Characters that seldom end a given name: a candidate that ends so needs better evidence."""

NEVER_IN_NAMES = frozenset("的了着吗呢吧啊呀哪么什这那们您你我他她它没把被让很是在就说們這個麼妳還")
"""Function words of modern Chinese: a candidate with one of them is a piece of a sentence."""

WIFE_TITLES = _words("""
    夫人 氏 太太 娘子 嫂 嫂子 太后 皇后 王妃 贵妃 娘娘 公主 嫂嫂 大嫂 二嫂 奶奶 婆婆 婶 婶子 媳妇 嬷嬷
    姥姥 大娘 大妈
""")
"""Titles of women, which go with the husband's surname or her family's."""
